/** Charges. A charge is one attempt to take money from a card. @see https://docs.stripe.com/api/charges/object */
import { now } from "../core/clock.ts";
import { newId } from "../core/ids.ts";
import type { ObjectSource } from "../core/object-source.ts";
import { nextRandom } from "../core/random.ts";
import type { PaymentError, PaymentIntent } from "./payment-intent.ts";
import type { PaymentMethod } from "./payment-method.ts";

export type Charge = ReturnType<typeof newCharge>;

export interface ChargeOutcome {
  paid: boolean;
  captured: boolean;
  error?: PaymentError;
  /** The risk of the payment. A blocked payment has the highest risk. Default: normal. */
  risk?: "elevated" | "highest" | undefined;
  /** The card that was charged. */
  method: PaymentMethod | undefined;
}

export function newCharge(
  source: ObjectSource,
  intent: PaymentIntent,
  { paid, captured, error, risk, method }: ChargeOutcome,
) {
  const id = newId(source, "ch");
  return {
    id,
    object: "charge" as const,
    amount: intent.amount,
    amount_captured: captured ? intent.amount : 0,
    amount_refunded: 0,
    application: null,
    application_fee: null,
    application_fee_amount: null,
    balance_transaction: null as string | null,
    billing_details: method?.billing_details ?? NO_DETAILS,
    calculated_statement_descriptor: statementOf(intent),
    captured,
    created: now(source),
    currency: intent.currency,
    customer: intent.customer,
    description: intent.description,
    disputed: false,
    failure_balance_transaction: null,
    failure_code: error?.code ?? null,
    failure_message: error?.message ?? null,
    fraud_details: {},
    livemode: false as const,
    metadata: { ...intent.metadata },
    on_behalf_of: null,
    outcome: outcomeOf(error, risk ?? "normal"),
    paid,
    payment_intent: intent.id as string | null,
    payment_method: intent.payment_method,
    payment_method_details: method ? { card: cardDetails(source, method.card, intent, captured), type: "card" } : null,
    radar_options: {},
    receipt_email: intent.receipt_email,
    receipt_number: null,
    receipt_url: paid ? `${source.baseUrl}/receipts/${id}` : null,
    refunded: false,
    review: null,
    shipping: intent.shipping,
    source: null,
    source_transfer: null,
    statement_descriptor: null,
    statement_descriptor_suffix: intent.statement_descriptor_suffix,
    status: (paid ? "succeeded" : "failed") as "succeeded" | "failed" | "pending",
    transfer_data: null,
    transfer_group: intent.transfer_group,
  };
}

/** Returns the text on the customer's card statement: the account's prefix and the payment's suffix. */
function statementOf({ statement_descriptor_suffix: suffix }: PaymentIntent): string {
  return suffix ? `EMULATOR* ${suffix}` : "EMULATOR";
}

/** Returns the captured amount of a charge that is not refunded yet. */
export function unrefundedAmount({ captured, amount, amount_refunded: refunded }: Charge): number {
  return captured ? amount - refunded : 0;
}

const NO_DETAILS = {
  address: { city: null, country: null, line1: null, line2: null, postal_code: null, state: null },
  email: null,
  name: null,
  phone: null,
  tax_id: null,
};

/** Scores as high as Radar's limits for the risk levels. @see https://docs.stripe.com/radar/risk-evaluation */
const RISK_SCORES = { normal: 20, elevated: 65, highest: 75 };

function outcomeOf(error: PaymentError | undefined, risk: keyof typeof RISK_SCORES) {
  const common = {
    advice_code: error?.advice_code ?? null,
    network_advice_code: null,
    network_decline_code: error?.network_decline_code ?? null,
    risk_level: risk,
    risk_score: RISK_SCORES[risk],
  };
  if (!error)
    return {
      ...common,
      network_status: "approved_by_network",
      reason: null,
      seller_message: "Payment complete.",
      type: "authorized",
    };
  if (risk === "highest")
    return {
      ...common,
      network_status: "not_sent_to_network",
      reason: "highest_risk_level",
      seller_message: "Stripe blocked this payment as too risky.",
      type: "blocked",
    };
  return {
    ...common,
    network_status: "declined_by_network",
    reason: error.decline_code ?? error.code,
    seller_message: "The bank did not return any further details with this decline.",
    type: "issuer_declined",
  };
}

/** The time for which a card authorization can be captured. */
export const AUTHORIZATION_SECONDS = 7 * 86_400;

interface Card {
  brand: string;
  checks: object;
  exp_month: number;
  exp_year: number;
  last4: string;
  fingerprint: string;
  country: string;
  funding: string;
}

function cardDetails(
  source: ObjectSource,
  { brand, checks, exp_month, exp_year, last4, fingerprint, country, funding }: Card,
  intent: PaymentIntent,
  captured: boolean,
) {
  return {
    amount_authorized: intent.amount,
    authorization_code: digits(source, 6),
    brand,
    // An uncaptured authorization expires after a week.
    ...(intent.capture_method === "manual" && !captured && { capture_before: now(source) + AUTHORIZATION_SECONDS }),
    checks: { ...checks },
    country,
    electronic_commerce_indicator: null,
    exp_month,
    exp_year,
    extended_authorization: { status: "disabled" },
    fingerprint,
    funding,
    incremental_authorization: { status: "unavailable" },
    installments: null,
    last4,
    mandate: null,
    multicapture: { status: "unavailable" },
    network: brand,
    network_token: { used: false },
    network_transaction_id: digits(source, 15),
    overcapture: { maximum_amount_capturable: intent.amount, status: "unavailable" },
    regulated_status: "unregulated",
    three_d_secure: null,
    transaction_link_id: null,
    wallet: null,
  };
}

/** Returns a random text of digits, like the transaction codes of card networks. */
function digits(source: ObjectSource, length: number): string {
  return Array.from({ length }, () => Math.floor(nextRandom(source.state) * 10)).join("");
}
