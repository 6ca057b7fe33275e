/** A look at a portal session: what it may show and do, and the addresses of its pages. */
import { isOver } from "../billing/subscription-periods.ts";
import type { Subscription } from "../billing/subscriptions.ts";
import { all, find, need, of, type World } from "../core/world.ts";
import type { Engine } from "../engine.ts";
import { configurationOf, type PortalConfiguration, type PortalSession } from "../resources/portal-sessions.ts";
import type { Price } from "../resources/prices.ts";
import type { PaymentMethod } from "../billing/payment-methods.ts";
import { fieldOf } from "./card-form.ts";

export interface Visit {
  world: World;
  session: PortalSession;
  features: PortalConfiguration["features"];
  configuration: PortalConfiguration;
}

export function visitOf(engine: Engine, id: string): Visit | null {
  engine.catchUp();
  const world = engine.worldWith(id);
  const session = world && find(world, "billing_portal.session", id);
  if (!world || !session) return null;
  const configuration = configurationOf(world, session);
  return { world, session, configuration, features: configuration.features };
}

export type PortalPage = "home" | "cancel" | "update" | "preview" | "pause" | "card" | "done";

/** The address of a page; a session without a flow begins at home. */
export function addressOf({ session }: Visit, page: PortalPage, query: Record<string, string> = {}): string {
  const base = `/p/session/${session.id}`;
  const path = page === "home" && !session.flow ? base : `${base}/${page}`;
  const text = new URLSearchParams(query).toString();
  return text ? `${path}?${text}` : path;
}

/** Where a flow begins. */
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

/** Back from a page: out of a flow to the application, else home. */
export function backFrom(visit: Visit): { href: string; text: string } {
  const out = visit.session.flow ? returnAddress(visit) : null;
  return out === null ? { href: addressOf(visit, "home"), text: "Back to billing" } : { href: out, text: "Return" };
}

export function returnAddress({ session, configuration }: Visit): string | null {
  return session.return_url ?? configuration.default_return_url;
}

/** The subscription that a form or an address names, where it is this customer's and still runs. */
export function namedSubscription({ world, session }: Visit, form: Record<string, unknown>): Subscription | null {
  const subscription = find(world, "subscription", fieldOf(form, "subscription"));
  return subscription?.customer === session.customer && !isOver(subscription) ? subscription : null;
}

export function subscriptionsOf({ world, session }: Visit): Subscription[] {
  return of(world, "subscription", "customer", session.customer, (row) => !isOver(row));
}

export function methodsOf({ world, session }: Visit): PaymentMethod[] {
  return all(world, "payment_method", (row) => row.customer === session.customer);
}

export function nameOf({ world }: Visit, subscription: Subscription): string {
  const [item, ...more] = subscription.items.data;
  if (!item) return "Subscription";
  const { name } = need(world, "product", item.price.product);
  return more.length > 0 ? `${name} and ${more.length} more` : name;
}

export function isEnding(subscription: Subscription): boolean {
  return subscription.cancel_at !== null || subscription.cancel_at_period_end;
}

export function allows({ features }: Visit, what: "price" | "quantity"): boolean {
  const { enabled, default_allowed_updates: updates } = features.subscription_update;
  return enabled && updates.some((update) => update === what);
}

/** One licensed item can be changed here, as long as nothing ends or waits. */
export function isChangeable(visit: Visit, subscription: Subscription): boolean {
  const [item, ...more] = subscription.items.data;
  const runs = subscription.status === "active" || subscription.status === "trialing";
  return (
    (allows(visit, "price") || allows(visit, "quantity")) &&
    item?.price.recurring?.usage_type === "licensed" &&
    more.length === 0 &&
    runs &&
    !isEnding(subscription) &&
    subscription.pending_update === null
  );
}

/** What it can be changed to: the configured products' prices, or every price in the same currency. */
export function offeredPrices({ world, features }: Visit, subscription: Subscription): Price[] {
  const configured = features.subscription_update.products?.flatMap((product) => product.prices);
  const current = subscription.items.data[0]?.price.id;
  return all(
    world,
    "price",
    (price) =>
      price.id === current ||
      (price.active &&
        need(world, "product", price.product).active &&
        price.recurring?.usage_type === "licensed" &&
        price.currency === subscription.currency &&
        (configured === undefined || configured.includes(price.id))),
  );
}

/** The flow that an action ends. */
const FLOWS: Record<string, readonly string[]> = {
  cancel: ["subscription_cancel"],
  change: ["subscription_update", "subscription_update_confirm"],
  pause: ["subscription_pause"],
  card: ["payment_method_update"],
};

/** Where the person is after an action: where the flow says, if it was the flow's. */
export function after(visit: Visit, action: string): string {
  const { flow } = visit.session;
  const { type, redirect } = flow?.after_completion ?? {};
  if (!flow || !FLOWS[action]?.includes(flow.type)) return addressOf(visit, "home");
  if (type === "redirect" && redirect) return redirect.return_url;
  return addressOf(visit, type === "hosted_confirmation" ? "done" : "home");
}
