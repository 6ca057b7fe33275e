/** What becomes of an invoice that was not paid at once. */
import { change } from "../core/events.ts";
import type { World } from "../core/world.ts";
import { collect } from "./collection.ts";
import { refreshEntitlements } from "./entitlements.ts";
import { subscriptionOf, type Invoice } from "./invoices.ts";
import { update } from "./subscription-changes.ts";
import { isOver } from "./subscription-periods.ts";
import { end } from "./subscription-endings.ts";
import { pause } from "./subscription-pauses.ts";

/** Another try, or the end of trying. */
export function retryCollection(world: World, invoice: Invoice): void {
  if (invoice.status !== "open") return;
  if (invoice.next_payment_attempt !== null) return collect(world, invoice);
  const subscription = subscriptionOf(world, invoice);
  if (!subscription || isOver(subscription)) return;
  const { afterRetries } = world.state;
  if (afterRetries === "cancel") return end(world, subscription, "payment_failed");
  change(world, "invoice.updated", invoice, (row) => {
    row.auto_advance = false;
  });
  if (afterRetries === "past_due") return;
  if (afterRetries === "pause") return pause(world, subscription);
  update(world, subscription, { status: "unpaid" });
  refreshEntitlements(world, subscription.customer);
}
