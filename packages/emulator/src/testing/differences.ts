/** Compares an object with the fields that a test expects. */

type Fields = Readonly<Record<string, unknown>>;

/**
 * Returns one text per expected field that differs. Fields that are not expected are not compared. Lists must have the same
 * length.
 */
export function differencesFrom(expected: unknown, actual: unknown, path = ""): string[] {
  if (!isFields(expected)) return expected === actual ? [] : [difference(path, expected, actual)];
  if (!isFields(actual)) return [difference(path, expected, actual)];
  if (Array.isArray(expected) && (!Array.isArray(actual) || expected.length !== actual.length))
    return [difference(path, expected, actual)];
  return Object.entries(expected).flatMap(([name, value]) =>
    differencesFrom(value, actual[name], path === "" ? name : `${path}.${name}`),
  );
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null;
}

function difference(path: string, expected: unknown, actual: unknown): string {
  return `${path || "the object"} is ${shorten(actual)}, expected ${shorten(expected)}`;
}

const MAX_VALUE_LENGTH = 80;

function shorten(value: unknown): string {
  const text = JSON.stringify(value) ?? "missing";
  return text.length > MAX_VALUE_LENGTH ? `${text.slice(0, MAX_VALUE_LENGTH)}…` : text;
}
