/** Stripe's documented test cards. Nothing else is accepted: no real card number may ever get here. @see https://docs.stripe.com/testing */

export type CardOutcome =
  | { kind: "succeeds" }
  | { kind: "declines"; code: string; declineCode: string; message: string }
  | { kind: "authenticates" };

export interface TestCard {
  number: string;
  brand: "visa" | "mastercard" | "amex";
  token: string;
  /** What happens when a person pays with it. */
  onSession: CardOutcome;
  /** What happens when it is charged later, without the person. */
  offSession: CardOutcome;
  /** Whether it can be saved to a customer. */
  attaches: boolean;
  /** What the pages say of it. */
  label: string;
}

const succeeds: CardOutcome = { kind: "succeeds" };
const authenticates: CardOutcome = { kind: "authenticates" };

function declines(message: string, declineCode: string, code = "card_declined"): CardOutcome {
  return { kind: "declines", code, declineCode, message };
}

const declined = declines("Your card was declined.", "generic_decline");

function card(
  number: string,
  token: string,
  label: string,
  onSession: CardOutcome,
  rest: Partial<TestCard> = {},
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
  card("4242424242424242", "pm_card_visa", "Succeeds", succeeds),
  card("5555555555554444", "pm_card_mastercard", "Succeeds (Mastercard)", succeeds, { brand: "mastercard" }),
  card("378282246310005", "pm_card_amex", "Succeeds (American Express)", succeeds, { brand: "amex" }),
  card("4000000000000002", "pm_card_chargeDeclined", "Declined", declined),
  card(
    "4000000000009995",
    "pm_card_chargeDeclinedInsufficientFunds",
    "Declined: insufficient funds",
    declines("Your card has insufficient funds.", "insufficient_funds"),
  ),
  card(
    "4000000000000069",
    "pm_card_chargeDeclinedExpiredCard",
    "Declined: expired",
    declines("Your card has expired.", "expired_card", "expired_card"),
  ),
  card(
    "4000000000000127",
    "pm_card_chargeDeclinedIncorrectCvc",
    "Declined: wrong CVC",
    declines("Your card's security code is incorrect.", "incorrect_cvc", "incorrect_cvc"),
  ),
  card("4000000000000341", "pm_card_chargeCustomerFail", "Saves, then every charge fails", declined, {
    attaches: true,
  }),
  card("4000002500003155", "pm_card_authenticationRequiredOnSetup", "Asks for 3-D Secure once", authenticates, {
    offSession: succeeds,
  }),
  card("4000002760003184", "pm_card_authenticationRequired", "Asks for 3-D Secure each time", authenticates),
  card("4000000000003220", "pm_card_threeDSecure2Required", "Asks for 3-D Secure 2", authenticates),
];

export function cardByNumber(number: string): TestCard | undefined {
  return TEST_CARDS.find((candidate) => candidate.number === number.replaceAll(/\s/g, ""));
}

export function cardByToken(token: string): TestCard | undefined {
  return TEST_CARDS.find((candidate) => candidate.token === token);
}
