/**
 * Lists the test cards that Stripe documents. The emulator rejects every card number that is not a test card, so that it never
 * stores a real card number.
 * @see https://docs.stripe.com/testing
 */
import type { DisputeReason } from "../objects/dispute.ts";

export type CardOutcome =
  | { kind: "succeeds" }
  | { kind: "declines"; code: string; declineCode: string; message: string }
  | { kind: "authenticates" };

export type Decline = Extract<CardOutcome, { kind: "declines" }>;

export interface TestCard {
  number: string;
  /** Additional card numbers that behave the same as the test card's main number. */
  otherNumbers?: readonly string[];
  brand: "visa" | "mastercard" | "amex" | "discover";
  token: string;
  /** The result of a payment while the customer is present. */
  onSession: CardOutcome;
  /** The result of a later payment for which the customer is not present. */
  offSession: CardOutcome;
  /** True if the card can be attached to a customer. */
  attaches: boolean;
  /**
   * The reason of the dispute that follows each payment with this card. The dispute reason is undefined if payments with the
   * test card cause no dispute.
   */
  disputes?: DisputeReason;
  /**
   * The later change of each refund to this card: a pending refund succeeds, or a succeeded refund fails. Undefined if refunds
   * succeed at once.
   */
  refunds?: "pending" | "fails";
  /** The description of the card on the emulator's pages. */
  label: string;
}

const succeeds: CardOutcome = { kind: "succeeds" };
const authenticates: CardOutcome = { kind: "authenticates" };

function declines(message: string, declineCode: string, code = "card_declined"): Decline {
  return { kind: "declines", code, declineCode, message };
}

const declined = declines("Your card was declined.", "generic_decline");

export function card(
  number: string,
  token: string,
  label: string,
  { onSession, ...rest }: Pick<TestCard, "onSession"> & Partial<TestCard>,
): TestCard {
  return {
    number,
    token,
    label,
    brand: "visa",
    onSession,
    offSession: onSession,
    attaches: onSession.kind !== "declines",
    ...rest,
  };
}

export const TEST_CARDS: readonly TestCard[] = [
  card("4242424242424242", "pm_card_visa", "Succeeds", { onSession: succeeds }),
  card("5555555555554444", "pm_card_mastercard", "Succeeds (Mastercard)", { onSession: succeeds, brand: "mastercard" }),
  card("371449635398431", "pm_card_amex", "Succeeds (American Express)", {
    onSession: succeeds,
    brand: "amex",
    otherNumbers: ["378282246310005"],
  }),
  card("6011000990139424", "pm_card_discover", "Succeeds (Discover)", {
    onSession: succeeds,
    brand: "discover",
    otherNumbers: ["6011111111111117"],
  }),
  card("4000056655665556", "pm_card_visa_debit", "Succeeds (debit)", { onSession: succeeds }),
  card("4000000000000002", "pm_card_chargeDeclined", "Declined", { onSession: declined }),
  card("4000000000009995", "pm_card_chargeDeclinedInsufficientFunds", "Declined: insufficient funds", {
    onSession: declines("Your card has insufficient funds.", "insufficient_funds"),
  }),
  card("4000000000009987", "pm_card_chargeDeclinedLostCard", "Declined: lost card", {
    onSession: declines("Your card was declined.", "lost_card"),
  }),
  card("4000000000009979", "pm_card_chargeDeclinedStolenCard", "Declined: stolen card", {
    onSession: declines("Your card was declined.", "stolen_card"),
  }),
  card("4000000000000119", "pm_card_chargeDeclinedProcessingError", "Declined: processing error", {
    onSession: declines(
      "An error occurred while processing your card. Try again in a little bit.",
      "processing_error",
      "processing_error",
    ),
  }),
  card("4000000000000069", "pm_card_chargeDeclinedExpiredCard", "Declined: expired", {
    onSession: declines("Your card has expired.", "expired_card", "expired_card"),
  }),
  card("4000000000000127", "pm_card_chargeDeclinedIncorrectCvc", "Declined: wrong CVC", {
    onSession: declines("Your card's security code is incorrect.", "incorrect_cvc", "incorrect_cvc"),
  }),
  card("4000000000000341", "pm_card_chargeCustomerFail", "Saves, then every charge fails", {
    onSession: declined,
    attaches: true,
  }),
  card("4000000000000259", "pm_card_createDispute", "Succeeds, then is disputed as fraudulent", {
    onSession: succeeds,
    disputes: "fraudulent",
  }),
  card("4000000000002685", "pm_card_createDisputeProductNotReceived", "Succeeds, then is disputed as not received", {
    onSession: succeeds,
    disputes: "product_not_received",
  }),
  card("4000000000001976", "pm_card_createDisputeInquiry", "Succeeds, then opens an inquiry", {
    onSession: succeeds,
    disputes: "inquiry",
  }),
  card("4000000000007726", "pm_card_pendingRefund", "Succeeds, refunds are pending at first", {
    onSession: succeeds,
    refunds: "pending",
  }),
  card("4000000000005126", "pm_card_refundFail", "Succeeds, refunds fail later", {
    onSession: succeeds,
    refunds: "fails",
  }),
  card("4000002500003155", "pm_card_authenticationRequiredOnSetup", "Asks for 3-D Secure once", {
    onSession: authenticates,
    offSession: succeeds,
  }),
  card("4000002760003184", "pm_card_authenticationRequired", "Asks for 3-D Secure each time", {
    onSession: authenticates,
  }),
  card("4000000000003220", "pm_card_threeDSecure2Required", "Asks for 3-D Secure 2", { onSession: authenticates }),
];

/** Returns the result of a declined payment, with Stripe's message for this decline code. */
export function declineOutcome(declineCode: string): Decline {
  const known = TEST_CARDS.map(({ onSession }) => onSession).find(
    (outcome): outcome is Decline => outcome.kind === "declines" && outcome.declineCode === declineCode,
  );
  return known ?? declines("Your card was declined.", declineCode);
}

export function cardByNumber(number: string): TestCard | undefined {
  const digits = number.replaceAll(/\s/g, "");
  const known = TEST_CARDS.find((one) => one.number === digits || one.otherNumbers?.includes(digits));
  return known && { ...known, number: digits };
}

/**
 * Returns the test card of a token; undefined if there is none. At Stripe, a declined test card has two tokens, such as
 * `pm_card_visa_chargeDeclined` and `pm_card_chargeDeclined`.
 */
export function cardByToken(token: string): TestCard | undefined {
  const name = token.replace(/^pm_card_visa_(?=charge)/, "pm_card_");
  return TEST_CARDS.find((candidate) => candidate.token === name);
}
