/** Explains the differences between recordings of Stripe and the emulator. */
import { fieldsOf, isOptional, responses, type Shape } from "../../src/core/shapes.ts";
import type { Difference } from "../../src/verify/compare.ts";
import type { Replayed } from "./replay.ts";

/**
 * The cause of a difference. The cause is "version" if the recording has an older API version. The cause is "account" if the
 * recorded account has other settings or older objects. The cause is "scope" if the emulator refuses the request, or if the
 * recordings lack an earlier request.
 */
export type Cause = "version" | "account" | "scope";

/** Differences of fields whose values come from the recorded account. */
const ACCOUNT_FIELDS: readonly (readonly [field: RegExp, reason: string])[] = [
  [
    /^(payment_intent|checkout\.session)\.payment_method_(types|options)\b/,
    "the account has more payment methods than cards",
  ],
  [/\.payment_method_configuration_details$/, "the account has a payment method configuration"],
  [/^charge\.calculated_statement_descriptor$/, "the account has its own statement descriptor"],
  [/^charge\.outcome\.risk_score$/, "Radar computes a random risk score"],
  [/^(plan|price|coupon)\.created$/, "the account's catalog is older than the recording"],
  [/^coupon\.times_redeemed$/, "other scenarios redeemed the coupon"],
  [/^checkout\.session\.branding_settings\b/, "the account has its own branding"],
  [/^checkout\.session\.adaptive_pricing\.enabled$/, "the account has Adaptive Pricing"],
  [/^(payment_intent|charge)\.application$/, "a Connect platform made the request"],
];

/** Statuses and errors that the emulator returns on purpose. */
const REFUSALS: readonly (readonly [error: RegExp, reason: string])[] = [
  [/application_fee_amount|transfer_group|POST \/v1\/transfers/, "the emulator has no transfers and fees of Connect"],
  [
    /^Invalid type: must be one of|^The parameter \w+\[\w+\] of POST \/v1\/payment_methods/,
    "the payment method is not implemented",
  ],
  [
    /^No such (payment_intent|charge|invoice|subscription)/,
    "the request that creates the object is refused or not recorded",
  ],
];

/** Returns the cause of each difference of a replayed request, or null for a difference without explanation. */
export function explain(replayed: Replayed): { difference: string; cause: Cause | null }[] {
  const { recording, status, error, differences } = replayed;
  if (status === recording.status)
    return differences.map((difference) => ({ difference: textOf(difference), cause: causeOf(difference) }));
  return [{ difference: `status ${recording.status} is ${status}: ${error}`, cause: causeOfStatus(replayed) }];
}

function causeOfStatus({ recording, error }: Replayed): Cause | null {
  // The recordings mask some API keys. The emulator's replay has a valid key.
  if (recording.status === 401) return "account";
  if (recording.scenario.startsWith("test_connect_") && recording.status === 404) return "account";
  return REFUSALS.some(([pattern]) => pattern.test(error ?? "")) ? "scope" : null;
}

function causeOf(difference: Difference): Cause | null {
  if (isNewField(difference) || isRemovedField(difference)) return "version";
  return ACCOUNT_FIELDS.some(([pattern]) => pattern.test(difference.field)) ? "account" : null;
}

/** Returns whether the pinned API version has the field, and the recorded version lacks it. */
function isNewField({ field, expected, actual }: Difference): boolean {
  return expected === undefined && actual !== undefined && hasField(field);
}

/** Returns whether the recorded version has the field, and the pinned API version lacks it. */
function isRemovedField({ field, expected, actual }: Difference): boolean {
  return expected !== undefined && actual === undefined && !hasField(field);
}

/** Returns whether the pinned API version has a field, such as `invoice.parent.type`. */
function hasField(field: string): boolean {
  const { definitions } = responses();
  return Object.entries(definitions).some(([, fields]) => {
    const kind = fields["object"];
    const kinds = kind && typeof kind === "object" && "enum" in kind ? kind.enum : [];
    return kinds.some(
      (name) =>
        typeof name === "string" &&
        field.startsWith(`${name}.`) &&
        hasPath({ fields }, field.slice(name.length + 1).split(".")),
    );
  });
}

function hasPath(shape: Shape, [head = "", ...rest]: string[]): boolean {
  const alternatives = typeof shape === "object" && "any" in shape ? shape.any : [shape];
  return alternatives.some((one) => {
    const fields = fieldsOf(one, responses().definitions);
    const name = head.replace("[]", "");
    const field = fields && Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (field === undefined) return false;
    const inner = isOptional(field) ? field.optional : field;
    const entry = head.endsWith("[]") && typeof inner === "object" && "array" in inner ? inner.array : inner;
    return rest.length === 0 || hasPath(entry, rest);
  });
}

function textOf({ field, expected, actual }: Difference): string {
  return `${field}: recorded ${shorten(expected)}, emulator ${shorten(actual)}`;
}

function shorten(value: unknown): string {
  return (JSON.stringify(value) ?? "missing").slice(0, 120);
}
