/** What becomes of an invoice that was not paid at once. */
import type { World } from "../core/world.ts";
import { collect } from "./collection.ts";
import { subscriptionOf, type Invoice } from "./invoices.ts";
import { end } from "./subscriptions.ts";

/** Another try, or the end of trying. */
export function retryCollection(world: World, invoice: Invoice): void {
  if (invoice.status !== "open") return;
  if (invoice.next_payment_attempt !== null) return collect(world, invoice);
  const subscription = subscriptionOf(world, invoice);
  if (subscription) end(world, subscription, "payment_failed");
}
