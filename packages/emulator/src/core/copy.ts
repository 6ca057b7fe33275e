/**
 * Makes deep copies of plain values and maps. Every event needs a copy of its object, which this module makes several times
 * faster than `structuredClone`.
 */
export function copy<T>(value: T): T {
  return copyAny(value) as T;
}

function copyAny(value: unknown): unknown {
  return typeof value === "object" && value !== null ? copyObject(value) : value;
}

function copyObject(value: object): object {
  if (Array.isArray(value)) return value.length === 0 ? [] : value.map(copyAny);
  if (value instanceof Map) return new Map([...value].map(([key, entry]) => [copyAny(key), copyAny(entry)]));
  // Spreading an object and then replacing its nested values is faster than setting each field. The copied values are plain
  // objects without a prototype of their own, for which `for ... in` is faster than `Object.keys`.
  const result = { ...(value as Record<string, unknown>) };
  for (const key in result) {
    const inner = result[key];
    if (typeof inner === "object" && inner !== null) result[key] = copyObject(inner);
  }
  return result;
}
