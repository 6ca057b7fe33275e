/** Changes of a subscription that payments cause, and how every change is told. */
import { change } from "../core/events.ts";
import { clearTimer } from "../core/timers.ts";
import type { World } from "../core/world.ts";
import { refreshEntitlements } from "./entitlements.ts";
import { openInvoicesOf } from "./invoices.ts";
import type { Subscription } from "./subscriptions.ts";

/** Changes fields and tells what they were. */
export function update(world: World, subscription: Subscription, changes: Partial<Subscription>): void {
  change(world, "customer.subscription.updated", subscription, (row) => void Object.assign(row, changes));
}

export function paymentFailed(world: World, subscription: Subscription): void {
  if (subscription.status === "active") update(world, subscription, { status: "past_due" });
}

export function paymentRecovered(world: World, subscription: Subscription): void {
  clearTimer(world, "incomplete_expires", subscription.id);
  const waits =
    subscription.status === "incomplete" || subscription.status === "past_due" || subscription.status === "unpaid";
  if (!waits || openInvoicesOf(world, subscription).length > 0) return;
  update(world, subscription, { status: "active" });
  refreshEntitlements(world, subscription.customer);
}

/** Changes of the row that are told as one event. */
export function edit(world: World, subscription: Subscription, mutate: (row: Subscription) => void): void {
  change(world, "customer.subscription.updated", subscription, mutate);
}
