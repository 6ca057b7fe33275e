/**
 * Saves cards that are given as a token, and chooses the card with which a customer pays.
 * @see https://docs.stripe.com/api/cards
 */
import { resourceMissing } from "../core/errors.ts";
import { emit } from "../core/events.ts";
import { newId } from "../core/ids.ts";
import { find, insert } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { setEntry } from "../core/transaction.ts";
import { toCard } from "../objects/card.ts";
import type { Customer } from "../objects/customer.ts";
import { newPaymentMethod, type PaymentMethod } from "../objects/payment-method.ts";
import { attach, isSource, nextYear, removeAsDefault } from "./payment-methods.ts";
import { cardByToken } from "./test-cards.ts";

/** Returns the ID of the card that pays if neither the invoice nor the subscription names one; null if there is no card. */
export function defaultCardOf(customer: Customer | undefined): string | null {
  return customer?.invoice_settings.default_payment_method ?? customer?.default_source ?? null;
}

/**
 * Saves the card of a test token such as `tok_visa`. Throws the card's decline error if the card cannot be saved, and Stripe's
 * error `resource_missing` if the token is unknown.
 */
export function addSource(
  context: Context,
  customer: Customer,
  token: string,
  metadata: Record<string, string> = {},
): PaymentMethod {
  const card = token.startsWith("tok_") ? cardByToken(token.replace(/^tok_/, "pm_card_")) : undefined;
  if (!card) throw resourceMissing("token", token, "source");
  const id = newId(context, "card");
  const method = insert(context, "payment_method", {
    ...newPaymentMethod(context, card, nextYear(context)),
    id,
    metadata,
  });
  setEntry(context, context.account.cardNumbers, id, card.number);
  attach(context, method, customer.id);
  emit(context, "customer.source.created", toCard(method));
  return method;
}

/** Returns a card of a customer. `param` is the parameter that contained the ID, or "id" if it came from the URL path. */
export function retrieveSource(context: Context, customerId: string, id: string, param = "id"): PaymentMethod {
  const method = find(context, "payment_method", id);
  if (!method || !isSource(method) || method.customer !== customerId) throw resourceMissing("source", id, param);
  return method;
}

/** Removes a card from its customer. The customer's newest other card becomes the default source. */
export function removeSource(context: Context, method: PaymentMethod): void {
  emit(context, "customer.source.deleted", toCard(method));
  removeAsDefault(context, method);
  method.customer = null;
}
