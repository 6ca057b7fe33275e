/**
 * Saves cards that are given as a token, and chooses the card with which a customer pays.
 * @see https://docs.stripe.com/api/cards
 */
import { resourceMissing } from "../core/errors.ts";
import { emit, emitChange } from "../core/events.ts";
import { newId } from "../core/ids.ts";
import { insert, listAll } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { toCard } from "../objects/card.ts";
import type { Customer } from "../objects/customer.ts";
import { newPaymentMethod, type PaymentMethod } from "../objects/payment-method.ts";
import { attach, nextYear } from "./payment-methods.ts";
import { cardByToken } from "./test-cards.ts";

const CARD_ID = /^card_/;

/** Returns the ID of the card that pays if neither the invoice nor the subscription names one; null if there is no card. */
export function defaultCardOf(customer: Customer | undefined): string | null {
  return customer?.invoice_settings.default_payment_method ?? customer?.default_source ?? null;
}

/** Saves the card of a test token such as `tok_visa`. Throws the card's decline error if the card cannot be saved. */
export function addSource(context: Context, customer: Customer, token: string): PaymentMethod {
  const card = token.startsWith("tok_") ? cardByToken(token.replace(/^tok_/, "pm_card_")) : undefined;
  if (!card) throw resourceMissing("token", token, "source");
  const method = insert(context, "payment_method", {
    ...newPaymentMethod(context, card, nextYear(context)),
    id: newId(context, "card"),
  });
  context.account.cardNumbers.set(method.id, card.number);
  attach(context, method, customer.id);
  emit(context, "customer.source.created", toCard(method));
  return method;
}

/** Lists the cards that a customer saved with tokens, oldest first. */
export function sourcesOf(context: Context, customerId: string): PaymentMethod[] {
  return listAll(context, "payment_method", ({ id, customer }) => CARD_ID.test(id) && customer === customerId);
}

/** Returns a card of a customer. `param` is the parameter that contained the ID, or "id" if it came from the URL path. */
export function retrieveSource(context: Context, customerId: string, id: string, param = "id"): PaymentMethod {
  const method = sourcesOf(context, customerId).find((one) => one.id === id);
  if (!method) throw resourceMissing("source", id, param);
  return method;
}

/** Removes a card. The customer's newest other card becomes the default source. */
export function removeSource(context: Context, customer: Customer, method: PaymentMethod): void {
  emit(context, "customer.source.deleted", toCard(method));
  method.customer = null;
  emitChange(context, "customer.updated", customer, (row) => {
    if (row.default_source === method.id) row.default_source = sourcesOf(context, customer.id).at(-1)?.id ?? null;
    if (row.invoice_settings.default_payment_method === method.id) row.invoice_settings.default_payment_method = null;
  });
}
