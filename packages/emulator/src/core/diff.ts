/** What `previous_attributes` holds: the old values of what changed, key by key inside hashes, whole for lists. */
export function changedFields(
  before: Record<string, unknown>,
  after: Record<string, unknown>,
): Record<string, unknown> {
  const changed: Record<string, unknown> = {};
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [one, other] = [before[name], after[name]];
    if (equal(one, other)) continue;
    // A key that was not there is told as null.
    changed[name] = isHash(one) && isHash(other) ? changedFields(one, other) : (one ?? null);
  }
  return changed;
}

export function equal(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  const names = Object.keys(one);
  if (names.length !== Object.keys(other).length) return false;
  return names.every((name) => equal((one as Record<string, unknown>)[name], (other as Record<string, unknown>)[name]));
}

function isHash(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !("data" in value);
}
