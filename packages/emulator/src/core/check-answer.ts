/** The self-check on answers: each must be what the pinned SDK's types say. */
import { answers, answerShape, fieldsOf, isOptional, type Fields, type Shape } from "./shapes.ts";

/** What is wrong with an answer, a line each; empty where it is as the types say, or where the SDK has no such call. */
export function problemsOfAnswer(method: string, path: string, answer: unknown): string[] {
  const shape = answerShape(method, path);
  const problems: string[] = [];
  if (shape !== undefined) check(shape, answer, "", problems);
  return problems;
}

function check(shape: Shape, value: unknown, at: string, problems: string[]): void {
  if (matches(shape, value)) return checkInside(shape, value, at, problems);
  problems.push(`${at || "answer"} is ${show(value)}, not ${describe(shape)}`);
}

/** Whether the value is of that kind at all; what is inside is checked apart, so that a problem names its place. */
function matches(shape: Shape, value: unknown): boolean {
  if (typeof shape === "string") return matchesName(shape, value);
  if ("enum" in shape) return shape.enum.includes(value as string);
  if ("any" in shape) return shape.any.some((one) => matches(one, value));
  if ("array" in shape) return Array.isArray(value);
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isObject) return false;
  if ("list" in shape) return (value as { object?: unknown }).object === "list";
  if ("search" in shape) return (value as { object?: unknown }).object === "search_result";
  const kind = fieldsOf(shape, answers().definitions)?.["object"];
  const kinds = kind && typeof kind === "object" && "enum" in kind ? kind.enum : null;
  const deleted = fieldsOf(shape, answers().definitions)?.["deleted"];
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

function checkInside(shape: Shape, value: unknown, at: string, problems: string[]): void {
  if (typeof shape === "string" || "enum" in shape) return;
  if ("any" in shape) {
    const fitting = shape.any.filter((one) => matches(one, value));
    const found = fitting.map((one) => {
      const inner: string[] = [];
      checkInside(one, value, at, inner);
      return inner;
    });
    if (!found.some((inner) => inner.length === 0)) problems.push(...(found[0] ?? []));
    return;
  }
  if ("array" in shape) {
    for (const [index, entry] of (value as unknown[]).entries()) check(shape.array, entry, `${at}[${index}]`, problems);
    return;
  }
  const row = value as Record<string, unknown>;
  if ("map" in shape)
    for (const [name, entry] of Object.entries(row)) check(shape.map, entry, `${at}.${name}`, problems);
  else if ("list" in shape || "search" in shape) {
    const inner = "list" in shape ? shape.list : shape.search;
    check({ array: inner }, row["data"], `${at}.data`, problems);
    check("boolean", row["has_more"], `${at}.has_more`, problems);
    check("string", row["url"], `${at}.url`, problems);
  } else checkFields(fieldsOf(shape, answers().definitions) ?? {}, row, at, problems);
}

function checkFields(fields: Fields, row: Record<string, unknown>, at: string, problems: string[]): void {
  for (const [name, field] of Object.entries(fields)) {
    const value = row[name];
    if (value === undefined) {
      if (!isOptional(field)) problems.push(`${at}.${name} is missing`);
    } else if (isOptional(field)) {
      if (value !== null) check(field.optional, value, `${at}.${name}`, problems);
    } else check(field, value, `${at}.${name}`, problems);
  }
  for (const name of Object.keys(row))
    // Stripe still sends these two for subscriptions with one item; the types no longer have them.
    if (!(name in fields) && name !== "plan" && name !== "quantity") problems.push(`${at}.${name} is not in the types`);
}

function describe(shape: Shape): string {
  return typeof shape === "string" ? shape : JSON.stringify(shape).slice(0, 120);
}

function show(value: unknown): string {
  return (JSON.stringify(value) ?? "undefined").slice(0, 80);
}
