/** The customer portal: configurations and sessions. @see https://docs.stripe.com/api/customer_portal */
import { needCustomer } from "../billing/customers.ts";
import { z } from "zod";
import type { Api } from "../api.ts";
import { change, emit } from "../core/events.ts";
import { page } from "../core/lists.ts";
import { expand, flag, integer, listParams, mergeMetadata, metadata, text, unsettable, url } from "../core/params.ts";
import { newId } from "../core/ids.ts";
import { all, find, insert, need, now, type World } from "../core/world.ts";
import { checkFlow, flow } from "./portal-flows.ts";
import { intervalParam } from "./shared-params.ts";

export type PortalConfiguration = ReturnType<typeof newConfiguration>;
export type PortalSession = ReturnType<typeof newPortalSession>;

const proration = z.enum(["always_invoice", "create_prorations", "none"]);
const features = z.strictObject({
  customer_update: z
    .strictObject({ enabled: flag.optional(), allowed_updates: unsettable(z.array(text)).optional() })
    .optional(),
  invoice_history: z.strictObject({ enabled: flag }).optional(),
  payment_method_update: z.strictObject({ enabled: flag }).optional(),
  subscription_cancel: z
    .strictObject({
      enabled: flag.optional(),
      mode: z.enum(["at_period_end", "immediately"]).optional(),
      proration_behavior: proration.optional(),
      cancellation_reason: z.strictObject({ enabled: flag, options: unsettable(z.array(text)).optional() }).optional(),
    })
    .optional(),
  subscription_pause: z
    .strictObject({
      enabled: flag.optional(),
      duration: z
        .strictObject({
          type: z.enum(["indefinite", "interval_options"]),
          interval_options: unsettable(
            z.array(z.strictObject({ interval: intervalParam, interval_count: integer })),
          ).optional(),
        })
        .optional(),
    })
    .optional(),
  subscription_update: z
    .strictObject({
      enabled: flag.optional(),
      default_allowed_updates: unsettable(z.array(z.enum(["price", "quantity", "promotion_code"]))).optional(),
      products: unsettable(z.array(z.strictObject({ product: text, prices: z.array(text) }))).optional(),
      proration_behavior: proration.optional(),
    })
    .optional(),
});
const profile = z
  .strictObject({
    headline: unsettable(text).optional(),
    privacy_policy_url: text.optional(),
    terms_of_service_url: text.optional(),
  })
  .optional();
const fields = {
  business_profile: profile,
  default_return_url: unsettable(text).optional(),
  features: features.optional(),
  name: unsettable(text).optional(),
  metadata: metadata.optional(),
  expand,
};
const CreateParams = z.strictObject({ ...fields, features });
const UpdateParams = z.strictObject({ ...fields, active: flag.optional() });
const ListParams = z.strictObject({ ...listParams, active: flag.optional(), is_default: flag.optional() });
const SessionParams = z.strictObject({
  customer: text,
  configuration: text.optional(),
  return_url: url.optional(),
  flow_data: flow.optional(),
  locale: text.optional(),
  expand,
});
const Nothing = z.strictObject({ expand });

const REASONS = [
  "too_expensive",
  "missing_features",
  "switched_service",
  "unused",
  "customer_service",
  "too_complex",
  "low_quality",
  "other",
];

function newConfiguration(world: World, params: Partial<z.output<typeof CreateParams>>, isDefault: boolean) {
  const given = params.features ?? {};
  const at = now(world);
  return {
    id: newId(world, "bpc"),
    object: "billing_portal.configuration" as const,
    active: true,
    application: null,
    business_profile: {
      headline: params.business_profile?.headline ?? null,
      privacy_policy_url: params.business_profile?.privacy_policy_url ?? null,
      terms_of_service_url: params.business_profile?.terms_of_service_url ?? null,
    },
    created: at,
    default_return_url: params.default_return_url ?? null,
    features: toFeatures(given, isDefault),
    is_default: isDefault,
    livemode: false as const,
    login_page: { enabled: false, url: null },
    metadata: mergeMetadata({}, params.metadata),
    name: params.name ?? null,
    updated: at,
  };
}

function toFeatures(given: z.output<typeof features>, isDefault: boolean) {
  const { subscription_cancel: cancel, subscription_update: update, customer_update: customer } = given;
  return {
    customer_update: { allowed_updates: customer?.allowed_updates ?? [], enabled: customer?.enabled ?? false },
    invoice_history: { enabled: given.invoice_history?.enabled ?? isDefault },
    payment_method_update: {
      enabled: given.payment_method_update?.enabled ?? isDefault,
      payment_method_configuration: null,
    },
    subscription_cancel: {
      cancellation_reason: {
        enabled: cancel?.cancellation_reason?.enabled ?? isDefault,
        feedback_options: null,
        options: cancel?.cancellation_reason?.options ?? REASONS,
      },
      enabled: cancel?.enabled ?? isDefault,
      mode: cancel?.mode ?? ("at_period_end" as const),
      proration_behavior: cancel?.proration_behavior ?? ("none" as const),
    },
    subscription_pause: {
      duration: pauseDuration(given.subscription_pause),
      enabled: given.subscription_pause?.enabled ?? false,
    },
    subscription_update: {
      billing_cycle_anchor: null,
      default_allowed_updates: update?.default_allowed_updates ?? (isDefault ? (["price", "quantity"] as const) : []),
      enabled: update?.enabled ?? isDefault,
      products:
        (update?.products ?? null)?.map((product) => ({
          ...product,
          adjustable_quantity: { enabled: false, maximum: null, minimum: 1 },
        })) ?? null,
      proration_behavior: update?.proration_behavior ?? ("create_prorations" as const),
      schedule_at_period_end: { conditions: [] },
      trial_update_behavior: "end_trial" as const,
    },
  };
}

/** One month where it is offered and nothing else is said. */
function pauseDuration(given: z.output<typeof features>["subscription_pause"]): PauseDuration {
  if (given?.duration) return { type: given.duration.type, interval_options: given.duration.interval_options ?? [] };
  if (!given?.enabled) return { type: "indefinite", interval_options: [] };
  return { type: "interval_options", interval_options: [{ interval: "month", interval_count: 1 }] };
}

interface PauseDuration {
  type: "indefinite" | "interval_options";
  interval_options: { interval: "day" | "week" | "month" | "year"; interval_count: number }[];
}

/** The account's own configuration, made when it is first needed. */
export function defaultConfiguration(world: World): PortalConfiguration {
  return (
    all(world, "billing_portal.configuration", (row) => row.is_default)[0] ??
    insert(world, "billing_portal.configuration", newConfiguration(world, {}, true))
  );
}

export function configurationOf(world: World, session: PortalSession): PortalConfiguration {
  return find(world, "billing_portal.configuration", session.configuration) ?? defaultConfiguration(world);
}

function newPortalSession(world: World, params: z.output<typeof SessionParams>, configuration: string) {
  const id = newId(world, "bps");
  return {
    id,
    object: "billing_portal.session" as const,
    configuration,
    created: now(world),
    customer: params.customer,
    customer_account: null,
    flow: params.flow_data ? toFlow(params.flow_data) : null,
    livemode: false as const,
    locale: params.locale ?? null,
    on_behalf_of: null,
    return_url: params.return_url ?? null,
    url: `${world.baseUrl}/p/session/${id}`,
  };
}

function toFlow(given: z.output<typeof flow>) {
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
          discounts: null,
          subscription: confirm.subscription,
          items: confirm.items.map((item) => ({ ...item, price: item.price ?? null })),
        }
      : null,
    type: given.type,
  };
}

export function portalSessionRoutes(api: Api): void {
  api.post("/v1/billing_portal/sessions", SessionParams, (world, params) => {
    needCustomer(world, params.customer, "customer");
    const configuration =
      params.configuration === undefined
        ? defaultConfiguration(world)
        : need(world, "billing_portal.configuration", params.configuration, "configuration");
    if (params.flow_data) checkFlow(world, params.customer, params.flow_data, configuration);
    const session = insert(world, "billing_portal.session", newPortalSession(world, params, configuration.id));
    emit(world, "billing_portal.session.created", session);
    return session;
  });

  api.post("/v1/billing_portal/configurations", CreateParams, (world, params) => {
    const configuration = insert(world, "billing_portal.configuration", newConfiguration(world, params, false));
    emit(world, "billing_portal.configuration.created", configuration);
    return configuration;
  });
  api.get("/v1/billing_portal/configurations", ListParams, (world, params) => {
    return page(
      world,
      all(world, "billing_portal.configuration"),
      params,
      "/v1/billing_portal/configurations",
      (row) =>
        (params.active === undefined || row.active === params.active) &&
        (params.is_default === undefined || row.is_default === params.is_default),
    );
  });
  api.get("/v1/billing_portal/configurations/:id", Nothing, (world, _params, id) =>
    need(world, "billing_portal.configuration", id),
  );
  api.post("/v1/billing_portal/configurations/:id", UpdateParams, (world, params, id) => {
    const configuration = need(world, "billing_portal.configuration", id);
    change(world, "billing_portal.configuration.updated", configuration, (row) => {
      if (params.active !== undefined) row.active = params.active;
      if (params.name !== undefined) row.name = params.name;
      if (params.default_return_url !== undefined) row.default_return_url = params.default_return_url;
      if (params.features)
        Object.assign(row.features, onlyGiven(toFeatures(params.features, row.is_default), params.features));
      row.metadata = mergeMetadata(row.metadata, params.metadata);
      row.updated = now(world);
    });
    return configuration;
  });
}

function onlyGiven<T extends object>(all_: T, given: object): Partial<T> {
  return Object.fromEntries(Object.entries(all_).filter(([name]) => name in given)) as Partial<T>;
}
