/**
 * Computes the `previous_attributes` of an event: the old values of changed fields. Hashes are compared key by key,
 * lists as a whole.
 */
export function previousAttributes(
  before: Record<string, unknown>,
  after: Record<string, unknown>,
): Record<string, unknown> {
  const changed: Record<string, unknown> = {};
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [one, other] = [before[name], after[name]];
    if (deepEqual(one, other)) continue;
    // In `previous_attributes`, Stripe reports null for a key that did not exist before.
    changed[name] = isHash(one) && isHash(other) ? previousAttributes(one, other) : (one ?? null);
  }
  return changed;
}

export function deepEqual(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  const names = Object.keys(one);
  if (names.length !== Object.keys(other).length) return false;
  for (const name of names) {
    const first = (one as Record<string, unknown>)[name];
    const second = (other as Record<string, unknown>)[name];
    if (first !== second && !deepEqual(first, second)) return false;
  }
  return true;
}

function isHash(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !("data" in value);
}
