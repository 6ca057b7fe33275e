/**
 * Compares two responses to the same request: one of Stripe and one of the emulator. IDs, times, URLs and other random values
 * differ in every run, so the comparison pairs IDs and allows a tolerance for times.
 */

export interface Difference {
  /** The type of the object and the path of the field in it, such as `invoice.parent.type` or `list.data[].id`. */
  field: string;
  /** Undefined if the field is missing. */
  expected: unknown;
  /** Undefined if the field is missing. */
  actual: unknown;
}

/** Maps each ID of the expected responses to the ID of the same object in the actual responses. */
export type IdPairs = Map<string, string>;

/** The longest time that two runs of the same scenario may be apart. */
const TIME_TOLERANCE_SECONDS = 300;

const ID = /^(?:[a-z]{1,12}_)+(?:test_|live_)?[A-Za-z0-9_]{6,}$/;
const ID_IN_TEXT = /(?<![A-Za-z0-9])([a-z]{1,12}(?:_[a-z]{1,12})*)_[A-Za-z0-9]{10,}/g;
const URL_START = /^https?:\/\//;

/** Fields whose values are random texts, so that only their types are compared. */
const RANDOM_FIELDS = new Set([
  "account_name",
  "authorization_code",
  "client_secret",
  "code",
  "fingerprint",
  "invoice_prefix",
  "network_transaction_id",
  "number",
  "receipt_number",
  "request_log_url",
  "secret",
]);
const FIELDS_WITH_FIXED_CODES = new Set(["error"]);

/**
 * Returns the differences between two responses. Adds the pairs of IDs that the responses contain to `pairs`, so that later
 * responses must use the same pairs.
 */
export function compareResponses(expected: unknown, actual: unknown, pairs: IdPairs): Difference[] {
  const differences: Difference[] = [];
  compareValues(expected, actual, "", { pairs, differences });
  return differences;
}

interface Comparison {
  pairs: IdPairs;
  differences: Difference[];
}

type Row = Record<string, unknown>;

function compareValues(expected: unknown, actual: unknown, field: string, comparison: Comparison): void {
  if (isRow(expected) && isRow(actual)) return compareRows(expected, actual, field, comparison);
  if (Array.isArray(expected) && Array.isArray(actual)) return compareLists(expected, actual, field, comparison);
  if (!isSameValue(expected, actual, field, comparison.pairs))
    comparison.differences.push({ field: field || "response", expected, actual });
}

function compareRows(expected: Row, actual: Row, field: string, comparison: Comparison): void {
  const root = typeof expected["object"] === "string" ? expected["object"] : field;
  for (const name of new Set([...Object.keys(expected), ...Object.keys(actual)]))
    compareValues(expected[name], actual[name], root === "" ? name : `${root}.${name}`, comparison);
}

function compareLists(expected: unknown[], actual: unknown[], field: string, comparison: Comparison): void {
  if (expected.length !== actual.length)
    comparison.differences.push({ field: `${field}.length`, expected: expected.length, actual: actual.length });
  for (const [at, entry] of expected.slice(0, actual.length).entries())
    compareValues(entry, actual[at], `${field}[]`, comparison);
}

function isSameValue(expected: unknown, actual: unknown, field: string, pairs: IdPairs): boolean {
  if (expected === actual) return true;
  if (isTime(expected) && isTime(actual)) return Math.abs(expected - actual) <= TIME_TOLERANCE_SECONDS;
  if (typeof expected !== "string" || typeof actual !== "string") return false;
  if (URL_START.test(expected) && URL_START.test(actual)) return true;
  if (isRandom(field)) return true;
  if (ID.test(expected) && ID.test(actual)) return isPair(expected, actual, pairs);
  return withoutIds(expected) === withoutIds(actual);
}

/** Returns a text such as the URL of a list with a placeholder for each ID in it. */
function withoutIds(text: string): string {
  return text.replaceAll(ID_IN_TEXT, "$1_…");
}

function isRandom(field: string): boolean {
  const parts = field.split(".");
  if (parts.some((part) => FIELDS_WITH_FIXED_CODES.has(part))) return false;
  return RANDOM_FIELDS.has(parts.at(-1) ?? "");
}

function isPair(expected: string, actual: string, pairs: IdPairs): boolean {
  const known = pairs.get(expected);
  if (known !== undefined) return known === actual;
  if (prefixOf(expected) !== prefixOf(actual)) return false;
  pairs.set(expected, actual);
  return true;
}

function prefixOf(id: string): string {
  return id.slice(0, id.indexOf("_"));
}

/** Returns whether a value is an instant in epoch seconds, after September 2001. */
function isTime(value: unknown): value is number {
  return typeof value === "number" && value > 1_000_000_000 && value < 10_000_000_000;
}

function isRow(value: unknown): value is Row {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
