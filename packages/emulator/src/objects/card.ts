/**
 * Cards that were saved with a token, such as `tok_visa`. The emulator stores each card as a payment method with the card's ID,
 * because Stripe's API of payment methods also accepts the IDs of cards.
 * @see https://docs.stripe.com/api/cards/object
 */
import type { PaymentMethod } from "./payment-method.ts";

const BRANDS: Readonly<Record<string, string>> = {
  amex: "American Express",
  diners: "Diners Club",
  discover: "Discover",
  jcb: "JCB",
  mastercard: "MasterCard",
  unionpay: "UnionPay",
  visa: "Visa",
};

export type Card = ReturnType<typeof toCard>;

/** Returns the card that a payment method stands for. */
export function toCard({ id, billing_details: billing, card, customer, metadata }: PaymentMethod) {
  const { address } = billing;
  return {
    id,
    object: "card" as const,
    address_city: address.city,
    address_country: address.country,
    address_line1: address.line1,
    address_line1_check: card.checks.address_line1_check,
    address_line2: address.line2,
    address_state: address.state,
    address_zip: address.postal_code,
    address_zip_check: card.checks.address_postal_code_check,
    brand: BRANDS[card.brand] ?? "Unknown",
    country: card.country,
    customer,
    cvc_check: card.checks.cvc_check,
    dynamic_last4: null,
    exp_month: card.exp_month,
    exp_year: card.exp_year,
    fingerprint: card.fingerprint,
    funding: card.funding,
    last4: card.last4,
    metadata,
    name: billing.name,
    regulated_status: card.regulated_status,
    tokenization_method: null,
  };
}
