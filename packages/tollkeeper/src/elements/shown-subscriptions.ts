/** Decides which subscriptions the modal shows. */
import type { Subscription } from "../wire.ts";

/**
 * Returns true if the user needs to see a subscription: Stripe may charge for it again, it gives access, or it waits for its
 * first payment.
 */
export function isShown({ live, access, status, actions }: Subscription): boolean {
  return live || access !== null || (status === "incomplete" && actions.includes("pay"));
}
