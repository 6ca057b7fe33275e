/** Changes of a subscription that payments cause, and how every change is told. */
import { emit } from "../core/events.ts";
import { clearTimer } from "../core/timers.ts";
import { all, copy, type World } from "../core/world.ts";
import type { Subscription } from "./subscriptions.ts";

/** Changes fields and tells what they were. */
export function update(world: World, subscription: Subscription, changes: Partial<Subscription>): void {
  const previous: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(changes)) {
    const before = subscription[name as keyof Subscription];
    if (JSON.stringify(before) !== JSON.stringify(value)) previous[name] = copy(before);
  }
  Object.assign(subscription, changes);
  if (Object.keys(previous).length > 0) emit(world, "customer.subscription.updated", subscription, previous);
}

export function paymentFailed(world: World, subscription: Subscription): void {
  if (subscription.status === "active") update(world, subscription, { status: "past_due" });
}

export function paymentRecovered(world: World, subscription: Subscription): void {
  clearTimer(world, "incomplete_expires", subscription.id);
  if (subscription.status === "incomplete" || subscription.status === "past_due") {
    const stillOpen = all(world, "invoice").some(
      (invoice) => invoice.status === "open" && invoice.parent.subscription_details.subscription === subscription.id,
    );
    if (!stillOpen) update(world, subscription, { status: "active" });
  }
}
