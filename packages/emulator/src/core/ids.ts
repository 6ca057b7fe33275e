/** Creates IDs in Stripe's format. An ID starts with the creation time, so that IDs sort by age. */
import type { ObjectSource } from "./object-source.ts";
import { randomText } from "./random.ts";

/** The digits of IDs, in ASCII order so that IDs sort by time. */
const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/** The time from which Stripe's IDs count, in epoch seconds. */
const EPOCH_SECONDS = 1_342_389_380;
/**
 * Prefixes of the IDs of payment objects, such as charges. After the prefix, IDs of payment objects start with 3, other
 * IDs with 1.
 */
const PAYMENT_PREFIXES: ReadonlySet<string> = new Set(["pi", "ch", "re"]);

type IdSource = Pick<ObjectSource, "state">;

/**
 * Creates an ID such as `price_1PmHofKXBGcbgpbZCVOHQep3`. The 24 characters after the prefix of an ID sort by the second in
 * which the ID was created.
 */
export function newId({ state }: IdSource, prefix: string): string {
  const kind = PAYMENT_PREFIXES.has(prefix) ? "3" : "1";
  return `${prefix}_${kind}${toDigits(state.now - EPOCH_SECONDS, 5)}${randomText(state, 18)}`;
}

/**
 * Creates the ID of a customer, product or item, such as `cus_TL2gsQ7ihn5JSH`. The 14 characters after the prefix of an ID sort
 * by the minute in which the ID was created.
 */
export function newShortId({ state }: IdSource, prefix: string): string {
  return `${prefix}_${toDigits(Math.floor((state.now - EPOCH_SECONDS) / 60), 4)}${randomText(state, 10)}`;
}

/** Creates a random ID that contains no time, for requests, sessions and secrets. */
export function newToken({ state }: IdSource, prefix: string, length: number): string {
  return `${prefix}_${randomText(state, length)}`;
}

/** Formats a number in base 62. A negative number is formatted as 0. */
function toDigits(count: number, length: number): string {
  let digits = "";
  for (let rest = Math.max(0, count); digits.length < length; rest = Math.floor(rest / DIGITS.length))
    digits = DIGITS.charAt(rest % DIGITS.length) + digits;
  return digits;
}
