/** Deep copies of plain values, with maps. Several times faster than `structuredClone`, which is asked at every event. */
export function copy<T>(value: T): T {
  return copyAny(value) as T;
}

function copyAny(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(copyAny);
  if (value instanceof Map) return new Map([...value].map(([key, entry]) => [copyAny(key), copyAny(entry)]));
  const result: Record<string, unknown> = {};
  for (const key in value) result[key] = copyAny((value as Record<string, unknown>)[key]);
  return result;
}
