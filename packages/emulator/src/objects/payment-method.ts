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
  brand: CardBrand;
  /** Default: US. */
  country?: string;
  /** Default: credit. */
  funding?: "credit" | "debit" | "prepaid";
  /** The networks that can process the card. Default: the network of its brand. */
  networks?: readonly string[];
  /** The checks that fail if the cardholder gives the value. Default: all checks pass. */
  failedChecks?: readonly ("cvc" | "line1" | "postal_code")[];
  /** True if the issuer cannot check addresses. Default: false. */
  addressUnavailable?: boolean;
  /** False if the card does not support 3-D Secure. Default: true. */
  threeDSecure?: boolean;
}

export type CardBrand = "amex" | "diners" | "discover" | "jcb" | "mastercard" | "unionpay" | "visa";

/** The brands whose name for display differs. */
const DISPLAY_BRANDS: Readonly<Partial<Record<CardBrand, string>>> = {
  amex: "american_express",
  diners: "diners_club",
  unionpay: "union_pay",
};

type CheckResult = "pass" | "fail" | "unavailable";

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
      checks: {
        address_line1_check: null as CheckResult | null,
        address_postal_code_check: null as CheckResult | null,
        cvc_check: resultOf(card, "cvc"),
      },
      country: card.country ?? "US",
      display_brand: DISPLAY_BRANDS[card.brand] ?? card.brand,
      exp_month: expiry.month,
      exp_year: expiry.year,
      fingerprint: `fp${card.number.slice(-8)}`,
      funding: card.funding ?? "credit",
      generated_from: null,
      last4: card.number.slice(-4),
      networks: { available: [...(card.networks ?? [card.brand])], preferred: null },
      regulated_status: "unregulated",
      three_d_secure_usage: { supported: card.threeDSecure ?? true },
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

/** Checks the billing address of a card. A value that is missing is not checked. */
export function checkAddress(method: PaymentMethod, card: NewCard): void {
  const { line1, postal_code: postalCode } = method.billing_details.address;
  method.card.checks.address_line1_check = line1 ? resultOf(card, "line1") : null;
  method.card.checks.address_postal_code_check = postalCode ? resultOf(card, "postal_code") : null;
}

function resultOf(card: NewCard, check: "cvc" | "line1" | "postal_code"): CheckResult {
  if (check !== "cvc" && card.addressUnavailable) return "unavailable";
  return card.failedChecks?.includes(check) ? "fail" : "pass";
}
