/**
 * Recovers expired checkout sessions.
 * @see https://docs.stripe.com/payments/checkout/abandoned-carts
 */
import { now } from "../core/clock.ts";
import { copy } from "../core/copy.ts";
import { newId, newToken } from "../core/ids.ts";
import type { CheckoutOrder } from "../core/records.ts";
import { insert } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { setTimer } from "../core/timers.ts";
import { type CheckoutSession, SESSION_LIFETIME_SECONDS } from "../objects/checkout-session.ts";
import { setDiscounts } from "./checkout-discounts.ts";
import { orderOf, setAmounts } from "./checkout.ts";
import { createSetupIntent } from "./setup.ts";

/** Returns whether the recovery URL of an expired session still creates new sessions. */
export function isRecoverable(context: Context, { after_expiration: after }: CheckoutSession): boolean {
  const until = after?.recovery?.expires_at ?? null;
  return until !== null && now(context) < until;
}

/** Creates an open copy of an expired session. Throws if a discount of the session can't be redeemed any longer. */
export function recoverCheckout(context: Context, expired: CheckoutSession): CheckoutSession {
  const at = now(context);
  const order = newOrder(context, orderOf(context, expired));
  setDiscounts(context, expired, order, order.discounts);
  const id = newToken(context, "cs_test", 58);
  const recovery = expired.after_expiration?.recovery;
  const session = insert(context, "checkout.session", {
    ...copy(expired),
    id,
    after_expiration: recovery ? { recovery: { ...recovery, expires_at: null, url: null } } : null,
    allow_promotion_codes: recovery?.allow_promotion_codes ? true : expired.allow_promotion_codes,
    created: at,
    expires_at: at + SESSION_LIFETIME_SECONDS,
    recovered_from: expired.id,
    setup_intent: null,
    status: "open" as const,
    url: `${context.baseUrl}/c/pay/${id}`,
  });
  if (session.mode === "setup") {
    order.setupIntent = createSetupIntent(context, { customer: session.customer, metadata: order.metadata }).id;
    session.setup_intent = order.setupIntent;
  }
  context.account.checkoutOrders.set(id, order);
  setAmounts(context, session, order);
  setTimer(context, "session_expires", id, session.expires_at);
  return session;
}

/** Returns a copy of an order without its payment. */
function newOrder(context: Context, order: CheckoutOrder): CheckoutOrder {
  return {
    ...copy(order),
    items: order.items.map((item) => ({ ...copy(item), id: newId(context, "li") })),
    paymentIntent: null,
    setupIntent: null,
    paymentMethod: null,
    notice: null,
  };
}
