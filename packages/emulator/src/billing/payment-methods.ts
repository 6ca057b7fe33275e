/** Creates test cards, and attaches them to customers. */
import { now } from "../core/clock.ts";
import { ApiError } from "../core/errors.ts";
import { emit, emitChange } from "../core/events.ts";
import { find, insert, listAll, listBy, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { setEntry } from "../core/transaction.ts";
import { checkAddress, type Expiry, newPaymentMethod, type PaymentMethod } from "../objects/payment-method.ts";
import { cardError, paymentErrorOf } from "./card-errors.ts";
import { cardByNumber, cardByToken, type TestCard } from "./test-cards.ts";

export function createPaymentMethod(context: Context, card: TestCard, expiry: Expiry): PaymentMethod {
  const method = insert(context, "payment_method", newPaymentMethod(context, card, expiry));
  setEntry(context, context.account.cardNumbers, method.id, card.number);
  return method;
}

/** Returns the payment method with the given ID. For a test token such as `pm_card_visa`, creates a card. */
export function methodFromIdOrToken(context: Context, idOrToken: string, param: string): PaymentMethod {
  const card = cardByToken(idOrToken);
  if (!card) return usable(context, retrieve(context, "payment_method", idOrToken, param));
  return createPaymentMethod(context, card, nextYear(context));
}

/** Returns the payment method. Throws if it was detached from a customer. */
function usable(context: Context, method: PaymentMethod): PaymentMethod {
  if (!context.account.detachedMethods.has(method.id)) return method;
  throw new ApiError(
    "This PaymentMethod was previously used without being attached to a Customer or was detached from a Customer, and may not be used again.",
  );
}

/** Returns the expiry of a card that was created from a token: the current month of the next year, as recorded. */
export function nextYear(context: Context): Expiry {
  const today = new Date(now(context) * 1000);
  return { month: today.getUTCMonth() + 1, year: today.getUTCFullYear() + 1 };
}

/** Checks the billing address of a card again, because the address has changed. */
export function refreshChecks(context: Context, method: PaymentMethod): void {
  const card = cardByNumber(context.account.cardNumbers.get(method.id) ?? "");
  if (card) checkAddress(method, card);
}

/** Attaches a card to a customer. Throws the card's decline error if the card cannot be attached. */
export function attach(context: Context, method: PaymentMethod, customerId: string): void {
  if (method.customer === customerId) return;
  usable(context, method);
  if (method.customer !== null)
    throw new ApiError("The payment method you provided has already been attached to a customer.", {
      code: "payment_method_unexpected_state",
    });
  const card = cardByNumber(context.account.cardNumbers.get(method.id) ?? "");
  if (card && !card.attaches && card.onSession.kind === "declines")
    throw cardError(paymentErrorOf(card.onSession), {}, false);
  method.customer = customerId;
  emit(context, "payment_method.attached", method);
}

/** Detaches a card from its customer, so that the card is no longer a default payment method. */
export function detach(context: Context, method: PaymentMethod): void {
  removeAsDefault(context, method);
  setEntry(context, context.account.detachedMethods, method.id, true);
  emitChange(context, "payment_method.detached", method, (row) => {
    row.customer = null;
  });
}

/** Returns whether a token saved the card, so that the card is also a source of its customer. */
export function isSource({ id }: PaymentMethod): boolean {
  return id.startsWith("card_");
}

/** Lists the cards that a customer saved with tokens, oldest first. */
export function sourcesOf(context: Context, customerId: string): PaymentMethod[] {
  return listAll(context, "payment_method", (method) => method.customer === customerId && isSource(method));
}

/** Replaces a card where it is a default. The default source of a customer becomes the customer's newest other card. */
export function removeAsDefault(context: Context, method: PaymentMethod): void {
  const customer = find(context, "customer", method.customer);
  if (!customer) return;
  emitChange(context, "customer.updated", customer, (row) => {
    const { invoice_settings: settings } = row;
    if (settings.default_payment_method === method.id) settings.default_payment_method = null;
    if (row.default_source === method.id) row.default_source = newestOther(context, method);
  });
  for (const subscription of listBy(context, "subscription", { customer: customer.id }))
    emitChange(context, "customer.subscription.updated", subscription, (row) => {
      if (row.default_payment_method === method.id) row.default_payment_method = null;
    });
}

function newestOther(context: Context, { id, customer }: PaymentMethod): string | null {
  return customer === null ? null : (sourcesOf(context, customer).findLast((other) => other.id !== id)?.id ?? null);
}
