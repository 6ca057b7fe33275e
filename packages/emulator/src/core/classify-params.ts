/**
 * Separates the request parameters that a route uses from the request parameters that it does not use. Rejects parameters
 * that Stripe does not support.
 */
import { ApiError } from "./errors.ts";
import type { FormValue } from "./form-encoding.ts";
import { cannotBeUnset, oneOf } from "./params.ts";
import { removedParamError } from "./removed-params.ts";
import { type Fields, fieldsOf, isOptional, operations, pathPattern, type Shape } from "./shapes.ts";
import type { UnusedParam } from "./unused-params.ts";

type Params = Record<string, FormValue>;

/**
 * The names of the parameters that a route uses. Maps each parameter's name to the names of the parameter's fields that the
 * route uses. A parameter's name maps to null if the route uses the parameter's whole value.
 */
export type UsedParams = Map<string, UsedParams | null>;

export interface ClassifiedParams {
  used: Params;
  /** The parameters that Stripe supports and the route does not use. */
  unused: UnusedParam[];
}

let byRoute: Map<string, Shape | null> | null = null;

function paramsShape(method: string, path: string): Shape | null | undefined {
  byRoute ??= new Map(
    operations().operations.flatMap(({ method: verb, path: route, params }) =>
      params === undefined ? [] : [[`${verb} ${pathPattern(route)}`, params] as const],
    ),
  );
  return byRoute.get(`${method} ${pathPattern(path)}`);
}

let patterns: RegExp[] | null = null;

/** Returns whether the SDK has an operation with this method and path. */
export function isOperation(method: string, path: string): boolean {
  patterns ??= operations().operations.map(
    ({ method: verb, path: route }) => new RegExp(`^${verb} ${route.replaceAll(/:\w+/g, "[^/]+")}$`),
  );
  return patterns.some((pattern) => pattern.test(`${method} ${path}`));
}

/**
 * Separates the parameters that a route uses from the parameters that it does not use. Throws Stripe's `parameter_unknown` if
 * Stripe does not support a parameter. If Stripe's SDK lacks the requested operation, all parameters of the request count as
 * used.
 */
export function classifyParams(method: string, path: string, params: Params, uses: UsedParams): ClassifiedParams {
  const shape = paramsShape(method, path);
  if (shape === undefined) return { used: params, unused: [] };
  const unknown: string[] = [];
  const unused: UnusedParam[] = [];
  const used = classifyFields(shape === null ? {} : (fieldsOf(shape, operations().definitions) ?? {}), params, uses, {
    at: [],
    unknown,
    unused,
  });
  const removed = removedParamError(path, unknown);
  if (removed) throw removed;
  if (unknown.length > 0) {
    const noun = unknown.length > 1 ? "parameters" : "parameter";
    throw new ApiError(`Received unknown ${noun}: ${unknown.join(", ")}`, {
      code: "parameter_unknown",
      param: unknown[0] ?? "",
    });
  }
  return { used, unused };
}

interface Findings {
  at: string[];
  unknown: string[];
  unused: UnusedParam[];
}

function classifyFields(fields: Fields, params: Params, uses: UsedParams, { at, ...found }: Findings): Params {
  const used: Params = {};
  for (const [name, value] of Object.entries(params)) {
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
    const path = [...at, name];
    if (field === undefined) found.unknown.push(paramName(path));
    else if (!uses.has(name)) {
      // Every API route supports the parameter `expand`.
      if (name === "expand") used[name] = value;
      else found.unused.push({ name: paramName(path), value });
    } else
      used[name] = classifyValue(isOptional(field) ? field.optional : field, value, uses.get(name) ?? null, {
        at: path,
        ...found,
      });
  }
  return used;
}

function classifyValue(shape: Shape, value: FormValue, uses: UsedParams | null, found: Findings): FormValue {
  if (typeof value === "string") checkChoice(choicesOf(shape), value, paramName(found.at));
  if (Array.isArray(value) && uses === null) checkEntries(shape, value, found.at);
  if (typeof value !== "object" || uses === null) return value;
  if (Array.isArray(value)) {
    const inner = elementOf(shape);
    return inner === null
      ? value
      : value.map((entry, at) => classifyValue(inner, entry, uses, { ...found, at: [...found.at, String(at)] }));
  }
  const fields = objectFields(shape);
  return fields === null ? value : classifyFields(fields, value, uses, found);
}

/** Returns the allowed values of a type with fixed values; null if other values are allowed too. */
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

/** Checks the texts of a list whose allowed values Stripe's SDK lists, such as event types. */
function checkEntries(shape: Shape, values: readonly FormValue[], at: readonly string[]): void {
  const inner = elementOf(shape);
  const choices = inner === null ? null : choicesOf(inner);
  for (const [index, value] of values.entries())
    if (typeof value === "string") checkChoice(choices, value, paramName([...at, String(index)]));
}

function elementOf(shape: Shape): Shape | null {
  if (typeof shape === "string") return null;
  if ("array" in shape) return shape.array;
  if ("any" in shape) return shape.any.map(elementOf).find((inner) => inner !== null) ?? null;
  return null;
}

/**
 * Returns the fields of a type that the SDK declares. For a union, merges the fields of all its object types. Returns
 * null if the type is neither an object nor a union with objects.
 */
function objectFields(shape: Shape): Fields | null {
  if (typeof shape === "object" && "any" in shape) {
    const all = shape.any.map(objectFields).filter((fields) => fields !== null);
    return all.length > 0 ? (Object.assign({}, ...all) as Fields) : null;
  }
  return fieldsOf(shape, operations().definitions);
}

function paramName([head = "", ...rest]: string[]): string {
  return `${head}${rest.map((part) => `[${part}]`).join("")}`;
}
