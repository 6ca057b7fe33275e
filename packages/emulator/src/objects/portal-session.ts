/** Customer portal sessions. @see https://docs.stripe.com/api/customer_portal/sessions/object */
import { now } from "../core/clock.ts";
import { newId } from "../core/ids.ts";
import type { ObjectSource } from "../core/object-source.ts";

export type PortalSession = ReturnType<typeof newPortalSession>;

/** Parameters of a new portal session. */
export interface NewPortalSession {
  customer: string;
  return_url?: string | undefined;
  flow_data?: PortalFlow | undefined;
  locale?: string | undefined;
}

/** A flow is the single task (such as a cancellation) to which a portal session is limited. */
export interface PortalFlow {
  type:
    | "payment_method_update"
    | "subscription_cancel"
    | "subscription_pause"
    | "subscription_update"
    | "subscription_update_confirm";
  after_completion?:
    | {
        type: "hosted_confirmation" | "portal_homepage" | "redirect";
        redirect?: { return_url: string } | undefined;
        hosted_confirmation?: { custom_message?: string | undefined } | undefined;
      }
    | undefined;
  subscription_cancel?: { subscription: string } | undefined;
  subscription_pause?: { subscription: string } | undefined;
  subscription_update?: { subscription: string } | undefined;
  subscription_update_confirm?:
    | {
        subscription: string;
        items: { id: string; price?: string | undefined; quantity?: number | undefined }[];
        discounts?: { coupon?: string | undefined; promotion_code?: string | undefined }[] | undefined;
      }
    | undefined;
}

export function newPortalSession(source: ObjectSource, params: NewPortalSession, configuration: string) {
  const id = newId(source, "bps");
  return {
    id,
    object: "billing_portal.session" as const,
    configuration,
    created: now(source),
    customer: params.customer,
    customer_account: null,
    flow: params.flow_data ? toFlow(params.flow_data) : null,
    livemode: false as const,
    locale: params.locale ?? null,
    on_behalf_of: null,
    return_url: params.return_url ?? null,
    url: `${source.baseUrl}/p/session/${id}`,
  };
}

function toFlow(given: PortalFlow) {
  const { after_completion: after, subscription_cancel: cancel, subscription_update: update } = given;
  const { subscription_update_confirm: confirm } = given;
  return {
    after_completion: {
      hosted_confirmation: after?.hosted_confirmation
        ? { custom_message: after.hosted_confirmation.custom_message ?? null }
        : null,
      redirect: after?.redirect ?? null,
      type: after?.type ?? ("portal_homepage" as const),
    },
    customer_update: null,
    subscription_cancel: cancel ? { retention: null, subscription: cancel.subscription } : null,
    subscription_pause: given.subscription_pause ?? null,
    subscription_update: update ?? null,
    subscription_update_confirm: confirm
      ? {
          discounts:
            confirm.discounts?.map(({ coupon, promotion_code: code }) => ({
              coupon: coupon ?? null,
              promotion_code: code ?? null,
            })) ?? null,
          subscription: confirm.subscription,
          items: confirm.items.map((item) => ({ ...item, price: item.price ?? null })),
        }
      : null,
    type: given.type,
  };
}
