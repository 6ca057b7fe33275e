/** Which parameters Stripe knows for an operation: unknown ones are refused, known ones that we do not use are put aside. */
import { ApiError } from "./errors.ts";
import type { FormValue } from "./form.ts";
import { cannotBeUnset, oneOf } from "./params.ts";
import { fieldsOf, isOptional, operations, pathPattern, type Fields, type Shape } from "./shapes.ts";

type Params = Record<string, FormValue>;

/** Names with what is used below each; null uses all of it. */
export type UsedParams = Map<string, UsedParams | null>;

export interface Sorted {
  used: Params;
  /** Names such as `payment_settings[payment_method_types]`. */
  ignored: string[];
}

let byRoute: Map<string, Shape | null> | null = null;

function shapeOf(method: string, path: string): Shape | null | undefined {
  byRoute ??= new Map(
    operations().operations.flatMap(({ method: verb, path: route, params }) =>
      params === undefined ? [] : [[`${verb} ${pathPattern(route)}`, params] as const],
    ),
  );
  return byRoute.get(`${method} ${pathPattern(path)}`);
}

let patterns: RegExp[] | null = null;

/** Whether the SDK knows a call of that method and path. */
export function isOperation(method: string, path: string): boolean {
  patterns ??= operations().operations.map(
    ({ method: verb, path: route }) => new RegExp(`^${verb} ${route.replaceAll(/:\w+/g, "[^/]+")}$`),
  );
  return patterns.some((pattern) => pattern.test(`${method} ${path}`));
}

/** Throws Stripe's `parameter_unknown`. Routes that no SDK has take what their own schema names. */
export function sortParams(method: string, path: string, params: Params, uses: UsedParams): Sorted {
  const shape = shapeOf(method, path);
  if (shape === undefined) return { used: params, ignored: [] };
  const unknown: string[] = [];
  const ignored: string[] = [];
  const used = sort(shape === null ? {} : (fieldsOf(shape, operations().definitions) ?? {}), params, uses, {
    at: [],
    unknown,
    ignored,
  });
  if (unknown.length > 0) {
    const noun = unknown.length > 1 ? "parameters" : "parameter";
    throw new ApiError(`Received unknown ${noun}: ${unknown.join(", ")}`, {
      code: "parameter_unknown",
      param: unknown[0] ?? "",
    });
  }
  return { used, ignored };
}

interface Findings {
  at: string[];
  unknown: string[];
  ignored: string[];
}

function sort(fields: Fields, params: Params, uses: UsedParams, { at, ...found }: Findings): Params {
  const used: Params = {};
  for (const [name, value] of Object.entries(params)) {
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
    const path = [...at, name];
    if (field === undefined) found.unknown.push(nameOf(path));
    else if (!uses.has(name)) {
      // Expansion is done for every answer.
      if (name === "expand") used[name] = value;
      else found.ignored.push(nameOf(path));
    } else
      used[name] = within(isOptional(field) ? field.optional : field, value, uses.get(name) ?? null, {
        at: path,
        ...found,
      });
  }
  return used;
}

function within(shape: Shape, value: FormValue, uses: UsedParams | null, found: Findings): FormValue {
  if (typeof value === "string") checkChoice(choicesOf(shape), value, nameOf(found.at));
  if (typeof value !== "object" || uses === null) return value;
  if (Array.isArray(value)) {
    const inner = elementOf(shape);
    return inner === null
      ? value
      : value.map((entry, at) => within(inner, entry, uses, { ...found, at: [...found.at, String(at)] }));
  }
  const fields = objectFields(shape);
  return fields === null ? value : sort(fields, value, uses, found);
}

/** What can be chosen from; null where anything else can be given, too. */
function choicesOf(shape: Shape): string[] | null {
  if (typeof shape === "string") return shape === "null" ? [""] : null;
  if ("enum" in shape) return shape.enum.map(String);
  if (!("any" in shape)) return null;
  const all = shape.any.map(choicesOf);
  return all.includes(null) ? null : all.flatMap((choices) => choices ?? []);
}

function checkChoice(choices: readonly string[] | null, value: string, param: string): void {
  if (choices === null || choices.includes(value)) return;
  if (value === "") throw cannotBeUnset(param);
  const named = choices.filter((choice) => choice !== "");
  throw new ApiError(`Invalid ${param}: must be one of ${oneOf(named)}`, { param });
}

function elementOf(shape: Shape): Shape | null {
  if (typeof shape === "string") return null;
  if ("array" in shape) return shape.array;
  if ("any" in shape) return shape.any.map(elementOf).find((inner) => inner !== null) ?? null;
  return null;
}

/** The fields of an object, of whichever alternative has some. */
function objectFields(shape: Shape): Fields | null {
  if (typeof shape === "object" && "any" in shape) {
    const all = shape.any.map(objectFields).filter((fields) => fields !== null);
    return all.length > 0 ? (Object.assign({}, ...all) as Fields) : null;
  }
  return fieldsOf(shape, operations().definitions);
}

function nameOf([head = "", ...rest]: string[]): string {
  return `${head}${rest.map((part) => `[${part}]`).join("")}`;
}
