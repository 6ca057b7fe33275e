/** Compares responses with the types of the pinned SDK version. */
import { type Fields, fieldsOf, isOptional, responses, responseShape, type Shape } from "./shapes.ts";

/**
 * Returns one line per difference between a response and the SDK's types. Returns no lines if the SDK lacks the operation of
 * the response.
 */
export function findResponseProblems(method: string, path: string, answer: unknown): string[] {
  const shape = responseShape(method, path);
  const problems: string[] = [];
  if (shape !== undefined) checkValue(shape, answer, "", problems);
  return problems;
}

function checkValue(shape: Shape, value: unknown, at: string, problems: string[]): void {
  if (matches(shape, value)) return checkContents(shape, value, at, problems);
  problems.push(`${at || "answer"} is ${abbreviate(value)}, not ${describe(shape)}`);
}

/**
 * Returns whether a value itself has the given type, without a check of nested values. The function `checkContents` checks
 * nested values, so that each reported problem names the path of the wrong value.
 */
function matches(shape: Shape, value: unknown): boolean {
  if (typeof shape === "string") return matchesName(shape, value);
  if ("enum" in shape) return shape.enum.includes(value as string);
  if ("any" in shape) return shape.any.some((one) => matches(one, value));
  if ("array" in shape) return Array.isArray(value);
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isObject) return false;
  if ("list" in shape) return (value as { object?: unknown }).object === "list";
  if ("search" in shape) return (value as { object?: unknown }).object === "search_result";
  const kind = fieldsOf(shape, responses().definitions)?.["object"];
  const kinds = kind && typeof kind === "object" && "enum" in kind ? kind.enum : null;
  const deleted = fieldsOf(shape, responses().definitions)?.["deleted"];
  const row = value as { object?: string; deleted?: boolean };
  return (kinds === null || kinds.includes(row.object ?? "")) && (row.deleted === true) === (deleted !== undefined);
}

function matchesName(name: string, value: unknown): boolean {
  switch (name) {
    case "any":
      return true;
    case "null":
      return value === null;
    case "integer":
      return Number.isInteger(value);
    case "number":
      return typeof value === "number";
    case "boolean":
      return typeof value === "boolean";
    default:
      return typeof value === "string";
  }
}

function checkContents(shape: Shape, value: unknown, at: string, problems: string[]): void {
  if (typeof shape === "string" || "enum" in shape) return;
  if ("any" in shape) {
    const fitting = shape.any.filter((one) => matches(one, value));
    const found = fitting.map((one) => {
      const inner: string[] = [];
      checkContents(one, value, at, inner);
      return inner;
    });
    if (!found.some((inner) => inner.length === 0)) problems.push(...(found[0] ?? []));
    return;
  }
  if ("array" in shape) {
    for (const [index, entry] of (value as unknown[]).entries())
      checkValue(shape.array, entry, `${at}[${index}]`, problems);
    return;
  }
  const row = value as Record<string, unknown>;
  if ("map" in shape)
    for (const [name, entry] of Object.entries(row)) checkValue(shape.map, entry, `${at}.${name}`, problems);
  else if ("list" in shape || "search" in shape) {
    const inner = "list" in shape ? shape.list : shape.search;
    checkValue({ array: inner }, row["data"], `${at}.data`, problems);
    checkValue("boolean", row["has_more"], `${at}.has_more`, problems);
    checkValue("string", row["url"], `${at}.url`, problems);
  } else checkFields(fieldsOf(shape, responses().definitions) ?? {}, row, at, problems);
}

/** Fields that the SDK's types declare, and that Stripe never sends. Recordings of Stripe lack them. */
const NEVER_SENT: ReadonlySet<string> = new Set(["line_item.subscription"]);

function checkFields(fields: Fields, row: Record<string, unknown>, at: string, problems: string[]): void {
  for (const [name, field] of Object.entries(fields)) {
    const value = row[name];
    if (value === undefined) {
      if (!isOptional(field) && !NEVER_SENT.has(`${String(row["object"])}.${name}`))
        problems.push(`${at}.${name} is missing`);
    } else if (isOptional(field)) {
      if (value !== null) checkValue(field.optional, value, `${at}.${name}`, problems);
    } else checkValue(field, value, `${at}.${name}`, problems);
  }
  for (const name of Object.keys(row))
    // Stripe still sends `plan` and `quantity` for subscriptions with one item, but the types no longer have them.
    if (!(name in fields) && name !== "plan" && name !== "quantity") problems.push(`${at}.${name} is not in the types`);
}

function describe(shape: Shape): string {
  return typeof shape === "string" ? shape : JSON.stringify(shape).slice(0, 120);
}

function abbreviate(value: unknown): string {
  return (JSON.stringify(value) ?? "undefined").slice(0, 80);
}
