/** Defines a visit to a portal session, with its permissions and the URLs of its pages. */
import { supportsCurrency } from "../billing/presentment.ts";
import { isEnded } from "../billing/subscription-periods.ts";
import { find, listAll, listBy, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { Engine } from "../engine.ts";
import type { PaymentMethod } from "../objects/payment-method.ts";
import type { PortalConfiguration } from "../objects/portal-configuration.ts";
import type { PortalSession } from "../objects/portal-session.ts";
import type { Price } from "../objects/price.ts";
import type { Subscription } from "../objects/subscription.ts";
import { configurationOf } from "../resources/portal-sessions.ts";
import { fieldOf } from "./card-form.ts";

export interface Visit {
  context: Context;
  session: PortalSession;
  features: PortalConfiguration["features"];
  configuration: PortalConfiguration;
}

/** A portal session that can't be opened any more. */
export interface ExpiredSession {
  isExpired: true;
  /** The address to which the customer goes back; null if the session and its configuration name none. */
  href: string | null;
}

const MINUTE = 60;
/** Seconds after which a session expires that no customer has opened. */
const OPEN_WITHIN = 5 * MINUTE;
/** Seconds after its last use in which an opened session expires. */
const IDLE_FOR = 60 * MINUTE;

/**
 * Opens a portal session and records its use. Returns null if there is no such session.
 * @see https://docs.stripe.com/customer-management/integrate-customer-portal
 */
export function openVisit(engine: Engine, id: string): Visit | ExpiredSession | null {
  engine.catchUp();
  const context = engine.contextWith(id);
  const session = context && find(context, "billing_portal.session", id);
  if (!context || !session) return null;
  const configuration = configurationOf(context, session);
  const visit = { context, session, configuration, features: configuration.features };
  const { portalUses } = context.account;
  const at = context.state.now;
  const use = portalUses.get(id);
  if (use && at - use.at > (use.opened ? IDLE_FOR : OPEN_WITHIN))
    return { isExpired: true, href: returnAddress(visit) };
  portalUses.set(id, { at, opened: true });
  return visit;
}

export type PortalPage = "home" | "cancel" | "update" | "preview" | "pause" | "card" | "remove" | "done";

/** Returns the URL of a portal page. */
export function addressOf({ session }: Visit, page: PortalPage, query: Record<string, string> = {}): string {
  const base = `/p/session/${session.id}`;
  const path = page === "home" && !session.flow ? base : `${base}/${page}`;
  const text = new URLSearchParams(query).toString();
  return text ? `${path}?${text}` : path;
}

/** Returns the URL of the first page of the portal session's flow. */
export function flowAddress(visit: Visit): string {
  const { flow } = visit.session;
  switch (flow?.type) {
    case "payment_method_update":
      return addressOf(visit, "card");
    case "subscription_cancel":
      return addressOf(visit, "cancel", { subscription: flow.subscription_cancel?.subscription ?? "" });
    case "subscription_pause":
      return addressOf(visit, "pause", { subscription: flow.subscription_pause?.subscription ?? "" });
    case "subscription_update":
      return addressOf(visit, "update", { subscription: flow.subscription_update?.subscription ?? "" });
    case "subscription_update_confirm": {
      const { subscription = "", items = [] } = flow.subscription_update_confirm ?? {};
      const { price, quantity } = items[0] ?? {};
      return addressOf(visit, "preview", {
        subscription,
        ...(price && { price }),
        ...(quantity !== undefined && { quantity: String(quantity) }),
      });
    }
    default:
      return addressOf(visit, "home");
  }
}

/**
 * Returns the link of a portal page with which the customer goes back. In a flow, the back link leads to the application;
 * otherwise the link leads to the portal's home page.
 */
export function backFrom(visit: Visit): { href: string; text: string } {
  const out = visit.session.flow ? returnAddress(visit) : null;
  return out === null ? { href: addressOf(visit, "home"), text: "Back to billing" } : { href: out, text: "Return" };
}

export function returnAddress({ session, configuration }: Visit): string | null {
  return session.return_url ?? configuration.default_return_url;
}

/**
 * Returns the subscription whose ID a form or URL contains. Returns null if the subscription has ended or belongs to
 * another customer.
 */
export function namedSubscription({ context, session }: Visit, form: Record<string, unknown>): Subscription | null {
  const subscription = find(context, "subscription", fieldOf(form, "subscription"));
  return subscription?.customer === session.customer && !isEnded(subscription) ? subscription : null;
}

export function subscriptionsOf({ context, session }: Visit): Subscription[] {
  return listBy(context, "subscription", { customer: session.customer }, (row) => !isEnded(row));
}

export function methodsOf({ context, session }: Visit): PaymentMethod[] {
  return listAll(context, "payment_method", (row) => row.customer === session.customer);
}

export function nameOf({ context }: Visit, subscription: Subscription): string {
  const [item, ...more] = subscription.items.data;
  if (!item) return "Subscription";
  const { name } = retrieve(context, "product", item.price.product);
  return more.length > 0 ? `${name} and ${more.length} more` : name;
}

export function isEnding(subscription: Subscription): boolean {
  return subscription.cancel_at !== null || subscription.cancel_at_period_end;
}

export function isAllowed({ features }: Visit, what: "price" | "promotion_code" | "quantity"): boolean {
  const { enabled, default_allowed_updates: updates } = features.subscription_update;
  return enabled && updates.some((update) => update === what);
}

/**
 * Returns whether the portal can change a subscription. To be changed, the subscription must have one licensed item, no
 * schedule, no scheduled cancellation, and no pending update.
 */
export function isChangeable(visit: Visit, subscription: Subscription): boolean {
  const [item, ...more] = subscription.items.data;
  const runs = subscription.status === "active" || subscription.status === "trialing";
  return (
    (isAllowed(visit, "price") || isAllowed(visit, "quantity")) &&
    item?.price.recurring?.usage_type === "licensed" &&
    more.length === 0 &&
    runs &&
    !isEnding(subscription) &&
    subscription.schedule === null &&
    subscription.pending_update === null
  );
}

/**
 * Returns the prices that a subscription can change to: the configured prices, or all licensed prices in the same
 * currency.
 */
export function offeredPrices({ context, features }: Visit, subscription: Subscription): Price[] {
  const configured = features.subscription_update.products?.flatMap((product) => product.prices);
  const current = subscription.items.data[0]?.price.id;
  return listAll(
    context,
    "price",
    (price) =>
      price.id === current ||
      (price.active &&
        retrieve(context, "product", price.product).active &&
        price.recurring?.usage_type === "licensed" &&
        supportsCurrency(price, subscription.currency) &&
        (configured === undefined || configured.includes(price.id))),
  );
}

/** Maps each portal action, such as a cancellation, to the types of the portal flows that the action completes. */
const FLOWS: Record<string, readonly string[]> = {
  cancel: ["subscription_cancel"],
  change: ["subscription_update", "subscription_update_confirm"],
  pause: ["subscription_pause"],
  card: ["payment_method_update"],
};

/**
 * Returns the URL of the page to show after an action in the portal. If the action completes the session's flow, the flow's
 * settings determine the next page.
 */
export function pageAfter(visit: Visit, action: string): string {
  const { flow } = visit.session;
  const { type, redirect } = flow?.after_completion ?? {};
  if (!flow || !FLOWS[action]?.includes(flow.type)) return addressOf(visit, "home");
  if (type === "redirect" && redirect) return redirect.return_url;
  return addressOf(visit, type === "hosted_confirmation" ? "done" : "home");
}
