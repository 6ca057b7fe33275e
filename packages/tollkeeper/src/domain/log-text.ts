/** Prepares error texts for logs and terminals. The texts of others, such as Stripe, can contain secrets and personal data. */
import { TollkeeperError } from "../errors.ts";

const MAX_LENGTH = 500;
/** Maximum number of errors of one chain of causes that a text describes. */
const MAX_CAUSES = 4;

const MASKS: readonly [pattern: RegExp, replacement: string][] = [
  // A password in a URL may contain slashes. The paths of files in stacks begin with three slashes.
  [/(?<!\/)\/\/[^\s/]\S*@/g, "//…@"],
  // A prefix alone, as in "must begin with sk_test_", is no secret.
  [/\b(sk_test|sk_live|rk_test|rk_live|whsec)_[\w+/=-]\S*/g, "$1_…"],
  [/\beyJ[\w-]+\.[\w.-]+/g, "(token)"],
  [/\bBearer +[\w.~+/=-]{8,}/gi, "Bearer (token)"],
  // Paths in stacks can contain the version of a package, as in kysely@0.29.0.
  [/[\p{L}\p{N}_.+%-]+@(?!\d+\.\d)[\p{L}\p{N}.-]+/gu, "(email)"],
];

/** Returns the text without secrets and email addresses, and with at most `maxLength` characters. */
export function toLogText(text: string, maxLength: number = MAX_LENGTH): string {
  // A longer text is cut before it is masked, so that a huge text costs little.
  const short = text.slice(0, 2 * maxLength);
  return maskSecrets(short).slice(0, maxLength);
}

/** Returns the text without keys, tokens, passwords and email addresses. */
export function maskSecrets(text: string): string {
  return MASKS.reduce((masked, [pattern, replacement]) => masked.replaceAll(pattern, replacement), text);
}

/**
 * Returns a text for the log that contains the error's message and its causes. For example, the message of a failed request is
 * often only "fetch failed", and its cause names the address.
 */
export function describeError(error: unknown): string {
  const texts = causesOf(error, MAX_CAUSES).map(textOf);
  return toLogText([...new Set(texts)].filter((text) => text !== "").join(": "));
}

function causesOf(error: unknown, depth: number): unknown[] {
  if (depth === 0 || error === undefined || error === null) return [];
  if (!(error instanceof Error)) return [error];
  // The message of such an error describes its cause. The cause itself is an error of Stripe, which may quote personal data.
  if (error instanceof TollkeeperError && error.log) return [error];
  const inner: unknown = error.cause ?? (error instanceof AggregateError ? (error.errors as unknown[])[0] : undefined);
  return [error, ...causesOf(inner, depth - 1)];
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error === "string" ? error : `a value of the type ${typeof error}`;
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  return error.message === "" ? code || error.name : error.message;
}
