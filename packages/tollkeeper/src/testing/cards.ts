/** Names Stripe's test cards. @see https://docs.stripe.com/testing */

export interface TestCard {
  /** The card's number, which Stripe's pages accept. */
  number: string;
  /** The id of the card's payment method, which Stripe's API accepts. */
  token: string;
}

const CARDS = {
  visa: { number: "4242424242424242", token: "pm_card_visa" },
  mastercard: { number: "5555555555554444", token: "pm_card_mastercard" },
  amex: { number: "371449635398431", token: "pm_card_amex" },
  declined: { number: "4000000000000002", token: "pm_card_chargeDeclined" },
  insufficient_funds: { number: "4000000000009995", token: "pm_card_chargeDeclinedInsufficientFunds" },
  expired: { number: "4000000000000069", token: "pm_card_chargeDeclinedExpiredCard" },
  fails_later: { number: "4000000000000341", token: "pm_card_chargeCustomerFail" },
  "3ds": { number: "4000002760003184", token: "pm_card_authenticationRequired" },
  "3ds_once": { number: "4000002500003155", token: "pm_card_authenticationRequiredOnSetup" },
  refund_fails: { number: "4000000000005126", token: "pm_card_refundFail" },
  disputed: { number: "4000000000000259", token: "pm_card_createDispute" },
} satisfies Record<string, TestCard>;

/**
 * The name of a test card:
 * - `visa`, `mastercard` and `amex` succeed
 * - `declined`, `insufficient_funds` and `expired` are declined
 * - `fails_later` can be saved, and every charge of it fails
 * - `3ds` asks for 3-D Secure at each payment, `3ds_once` only while it is saved
 * - `refund_fails` succeeds, and each refund fails a minute later
 * - `disputed` succeeds, and the bank disputes each payment
 */
export type CardName = keyof typeof CARDS;

/** Throws `TypeError` if no card has the name. */
export function cardOf(name: CardName): TestCard {
  const card = (CARDS as Record<string, TestCard>)[name];
  if (card) return card;
  throw new TypeError(`There is no test card "${name}". Use ${Object.keys(CARDS).join(", ")}.`);
}

/** Returns the fields of the card form on Stripe's pages. The card is valid for five years after `now`. */
export function cardFields(name: CardName, now: number): Record<string, string> {
  const year = new Date(now).getUTCFullYear() + VALID_YEARS;
  return { number: cardOf(name).number, expiry: `12/${String(year).slice(-2)}`, cvc: "123" };
}

const VALID_YEARS = 5;
