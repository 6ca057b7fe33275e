/**
 * Creates the setup intents of subscriptions that need no payment now, so that a card is collected or authenticated early.
 * @see https://docs.stripe.com/billing/subscriptions/deferred-payment
 */
import { listBy } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { Subscription } from "../objects/subscription.ts";
import { cardOutcome } from "./payments.ts";
import { confirmSetup, createSetupIntent } from "./setup.ts";

/**
 * Returns the ID of a new setup intent that collects the subscription's card, or that requires 3-D Secure. Returns null if the
 * card needs no authentication or was authenticated before.
 */
export function startPendingSetup(context: Context, subscription: Subscription, card: string | null): string | null {
  if (card !== null && !needsAuthentication(context, subscription.customer, card)) return null;
  const intent = createSetupIntent(context, { customer: subscription.customer });
  if (card !== null) confirmSetup(context, intent, card, {});
  return intent.id;
}

function needsAuthentication(context: Context, customer: string, card: string): boolean {
  if (cardOutcome(context, card, true).kind !== "authenticates") return false;
  const isSetUp = (row: { payment_method: string | null; status: string }) =>
    row.payment_method === card && row.status === "succeeded";
  const setups = listBy(context, "setup_intent", { customer }, isSetUp);
  return setups.length === 0 && listBy(context, "payment_intent", { customer }, isSetUp).length === 0;
}
