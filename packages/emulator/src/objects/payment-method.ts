/**
 * Payment methods. The emulator supports cards and no other payment methods.
 * @see https://docs.stripe.com/api/payment_methods/object
 */
import { now } from "../core/clock.ts";
import { newId } from "../core/ids.ts";
import type { ObjectSource } from "../core/object-source.ts";

export type PaymentMethod = ReturnType<typeof newPaymentMethod>;

/** The number and brand of a new card. */
export interface NewCard {
  number: string;
  brand: "visa" | "mastercard" | "amex" | "discover";
}

export interface Expiry {
  month: number;
  year: number;
}

export function newPaymentMethod(source: ObjectSource, card: NewCard, expiry: Expiry) {
  return {
    id: newId(source, "pm"),
    object: "payment_method" as const,
    allow_redisplay: "unspecified",
    billing_details: {
      address: {
        city: null as string | null,
        country: null as string | null,
        line1: null as string | null,
        line2: null as string | null,
        postal_code: null as string | null,
        state: null as string | null,
      },
      email: null as string | null,
      name: null as string | null,
      phone: null as string | null,
      tax_id: null,
    },
    card: {
      brand: card.brand,
      checks: { address_line1_check: null, address_postal_code_check: null, cvc_check: "pass" },
      country: countryOf(card),
      display_brand: card.brand === "amex" ? "american_express" : (card.brand as string),
      exp_month: expiry.month,
      exp_year: expiry.year,
      fingerprint: `fp${card.number.slice(-8)}`,
      funding: "credit",
      generated_from: null,
      last4: card.number.slice(-4),
      networks: { available: [card.brand], preferred: null },
      regulated_status: "unregulated",
      three_d_secure_usage: { supported: true },
      wallet: null,
    },
    created: now(source),
    customer: null as string | null,
    customer_account: null,
    livemode: false as const,
    metadata: {} as Record<string, string>,
    type: "card" as const,
  };
}

/**
 * Returns the country of a test card. In the numbers of test cards for countries, Stripe encodes the country in the digits
 * after 4000.
 */
function countryOf({ number }: NewCard): string {
  return number.startsWith("4000002760") ? "DE" : "US";
}
