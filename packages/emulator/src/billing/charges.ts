/** Charges: what a payment's attempt did to a card. @see https://docs.stripe.com/api/charges */
import { change } from "../core/events.ts";
import { nextRandom } from "../core/random.ts";
import { setTimer } from "../core/timers.ts";
import { newId } from "../core/ids.ts";
import { find, insert, now, type World } from "../core/world.ts";
import { addBalanceTransaction } from "./balance.ts";
import type { PaymentError, PaymentIntent } from "./payments.ts";

export type Charge = ReturnType<typeof newCharge>;

const SETTLES_AFTER = 2;

export interface ChargeOutcome {
  paid: boolean;
  captured: boolean;
  error?: PaymentError;
}

export function createCharge(world: World, intent: PaymentIntent, outcome: ChargeOutcome): Charge {
  const charge = insert(world, "charge", newCharge(world, intent, outcome));
  // Captured in the background, it is told a moment later what it brought in.
  if (outcome.captured && intent.capture_method === "automatic_async")
    setTimer(world, "charge_settles", charge.id, now(world) + SETTLES_AFTER);
  else if (outcome.captured) enterBalance(world, charge);
  return charge;
}

/** A charge that was captured in the background is accounted for. */
export function settleCharge(world: World, charge: Charge): void {
  change(world, "charge.updated", charge, () => enterBalance(world, charge));
}

function enterBalance(world: World, charge: Charge): void {
  charge.balance_transaction = addBalanceTransaction(world, {
    amount: charge.amount,
    currency: charge.currency,
    description: charge.description,
    source: charge.id,
    type: "charge",
  }).id;
}

function newCharge(world: World, intent: PaymentIntent, { paid, captured, error }: ChargeOutcome) {
  const id = newId(world, "ch");
  const method = find(world, "payment_method", intent.payment_method);
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
    calculated_statement_descriptor: "EMULATOR",
    captured,
    created: now(world),
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
    outcome: outcomeOf(error),
    paid,
    payment_intent: intent.id as string | null,
    payment_method: intent.payment_method,
    payment_method_details: method ? { card: cardDetails(world, method.card, intent, captured), type: "card" } : null,
    radar_options: {},
    receipt_email: intent.receipt_email,
    receipt_number: null,
    receipt_url: paid ? `${world.baseUrl}/receipts/${id}` : null,
    refunded: false,
    review: null,
    shipping: intent.shipping,
    source: null,
    source_transfer: null,
    statement_descriptor: null,
    statement_descriptor_suffix: null,
    status: (paid ? "succeeded" : "failed") as "succeeded" | "failed" | "pending",
    transfer_data: null,
    transfer_group: null,
  };
}

const NO_DETAILS = {
  address: { city: null, country: null, line1: null, line2: null, postal_code: null, state: null },
  email: null,
  name: null,
  phone: null,
  tax_id: null,
};

function outcomeOf(error: PaymentError | undefined) {
  const advice = { advice_code: null, network_advice_code: null, network_decline_code: null };
  return error
    ? {
        ...advice,
        network_status: "declined_by_network",
        reason: error.decline_code ?? error.code,
        risk_level: "normal",
        risk_score: 20,
        seller_message: "The bank did not return any further details with this decline.",
        type: "issuer_declined",
      }
    : {
        ...advice,
        network_status: "approved_by_network",
        reason: null,
        risk_level: "normal",
        risk_score: 20,
        seller_message: "Payment complete.",
        type: "authorized",
      };
}

const AUTHORIZED_FOR = 7 * 86_400;

interface Card {
  brand: string;
  exp_month: number;
  exp_year: number;
  last4: string;
  fingerprint: string;
  country: string;
  funding: string;
}

function cardDetails(
  world: World,
  { brand, exp_month, exp_year, last4, fingerprint, country, funding }: Card,
  intent: PaymentIntent,
  captured: boolean,
) {
  return {
    amount_authorized: intent.amount,
    authorization_code: digits(world, 6),
    brand,
    // What is only authorized lapses after a week.
    ...(intent.capture_method === "manual" && !captured && { capture_before: now(world) + AUTHORIZED_FOR }),
    checks: { address_line1_check: null, address_postal_code_check: null, cvc_check: "pass" },
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
    network_transaction_id: digits(world, 15),
    overcapture: { maximum_amount_capturable: intent.amount, status: "unavailable" },
    regulated_status: "unregulated",
    three_d_secure: null,
    transaction_link_id: null,
    wallet: null,
  };
}

/** Digits as networks give them. */
function digits(world: World, length: number): string {
  return Array.from({ length }, () => Math.floor(nextRandom(world.state) * 10)).join("");
}
