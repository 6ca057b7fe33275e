/**
 * Finds test cards. The emulator rejects every card number that is not a test card, so that it never stores a real card number.
 * @see https://docs.stripe.com/testing
 */
import { type Decline, declines, TEST_CARDS, type TestCard } from "./test-card-table.ts";

export { CARD_GROUPS, type CardOutcome, type Decline, TEST_CARDS, type TestCard } from "./test-card-table.ts";

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
  const name = token === "pm_card_us" ? "pm_card_visa" : token.replace(/^pm_card_visa_(?=charge)/, "pm_card_");
  return TEST_CARDS.find((candidate) => candidate.token === name);
}

/** Returns whether the last digit of a card number matches the others (the Luhn check). */
export function hasValidCheckDigit(number: string): boolean {
  const digits = Array.from(number.replaceAll(/\s/g, ""), Number).toReversed();
  const sum = digits.reduce(
    (total, digit, at) => total + (at % 2 === 0 ? digit : Math.floor((digit * 2) / 10) + ((digit * 2) % 10)),
    0,
  );
  return digits.length > 0 && sum % 10 === 0;
}
