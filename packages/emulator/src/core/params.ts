/** Schemas of request parameters, and Stripe's errors for invalid values. */
import { z } from "zod";
import { isSupportedCurrency, unsupportedCurrency } from "./currencies.ts";
import { ApiError } from "./errors.ts";

export const text = z.string().max(5_000);
export const integer = z
  .string()
  .regex(/^-?\d{1,15}$/, "integer")
  .transform(Number);
export const decimal = z
  .string()
  .regex(/^-?\d{1,12}(\.\d{1,12})?$/, "decimal")
  .transform(Number);
export const currency = z
  .string()
  .refine(isSupportedCurrency, { error: ({ input }) => unsupportedCurrency(String(input)) })
  .transform((value) => value.toLowerCase());
export const nonNegative = integer.pipe(z.number().min(0));
/** A boolean parameter. Stripe's Python SDK sends booleans as True and False. */
export const flag = z.enum(["true", "false", "True", "False"]).transform((value) => value.toLowerCase() === "true");
export const url = z.string().refine((value) => /^https?:\/\//.test(value), "url");
/** A local part, and a domain with at least two labels. Stripe refuses a full-width at sign. */
const EMAIL = /^[^\s@＠]+@[^\s@＠.]+(\.[^\s@＠.]+)+$/u;
export const email = z
  .string()
  .max(512)
  .refine((value) => EMAIL.test(value), "email");
/** @see https://docs.stripe.com/metadata#data */
const METADATA = { keys: 50, keyLength: 40, valueLength: 500 };
export const metadata = z.union([z.literal(""), z.record(z.string(), z.string())]).superRefine((given, context) => {
  const refuse = (key: string, message: string) => context.addIssue({ code: "custom", path: [key], message });
  for (const [key, value] of Object.entries(given === "" ? {} : given)) {
    if (key.length > METADATA.keyLength)
      refuse(
        key,
        `Metadata keys can have up to ${METADATA.keyLength} characters, but this one has ${key.length}: ${key}`,
      );
    if (value.length > METADATA.valueLength)
      refuse(
        key,
        `Metadata values can have up to ${METADATA.valueLength} characters, but you passed in a value that is ${value.length} characters. Invalid value: ${value}`,
      );
  }
});
export const expand = z.array(z.string()).optional();

/**
 * Returns a schema that converts an empty string to null. In the parsed parameters, null means that the request removes the
 * field's current value.
 */
export function unsettable<Schema extends z.ZodType>(schema: Schema) {
  return z.union([z.literal("").transform(() => null), schema]);
}

/** A list filter that accepts one time or a range of times. */
export const timeRange = z.union([
  integer.transform((at) => ({ gte: at, lte: at })),
  z.strictObject({
    gt: integer.optional(),
    gte: integer.optional(),
    lt: integer.optional(),
    lte: integer.optional(),
  }),
]);

export const listParams = {
  limit: integer.pipe(z.number().min(1).max(100)).optional(),
  starting_after: text.optional(),
  ending_before: text.optional(),
  created: timeRange.optional(),
  expand,
};

/** Parses request parameters. Throws Stripe's 400 error if a parameter is invalid. */
export function parseParams<Schema extends z.ZodType>(schema: Schema, params: unknown): z.output<Schema> {
  const result = schema.safeParse(params);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw toApiError(issue, params);
}

function toApiError(issue: z.core.$ZodIssue | undefined, params: unknown): ApiError {
  if (!issue) return new ApiError("Invalid request");
  const param = paramName(issue.path);
  if (issue.code === "unrecognized_keys") {
    const names = issue.keys.map((key) => paramName([...issue.path, key]));
    const noun = names.length > 1 ? "parameters" : "parameter";
    return new ApiError(`Received unknown ${noun}: ${names.join(", ")}`, {
      code: "parameter_unknown",
      param: names[0] ?? "",
    });
  }
  const value = valueAt(params, issue.path);
  if (value === undefined)
    return new ApiError(`Missing required param: ${param}.`, { code: "parameter_missing", param });
  if (value === "") return cannotBeUnset(param);
  const outOfRange = rangeError(issue, param, value);
  if (outOfRange) return outOfRange;
  if (issue.code === "invalid_value" && issue.values.every((known) => /^(true|false)$/i.test(String(known))))
    return new ApiError(`Invalid boolean: ${displayValue(value)}`, { param });
  if (issue.code === "invalid_value")
    return new ApiError(`Invalid ${param}: must be one of ${oneOf(issue.values)}`, { param });
  if (issue.code === "invalid_type" && issue.expected === "object") return new ApiError("Invalid object", { param });
  if (issue.code === "invalid_type" && issue.expected === "array") return new ApiError("Invalid array", { param });
  if (issue.message === "email")
    return new ApiError(`Invalid email address: ${displayValue(value)}`, { code: "email_invalid", param });
  if (issue.code === "custom" && issue.message !== "url") return new ApiError(issue.message, { param });
  if (issue.message === "url") return new ApiError("Not a valid URL", { code: "url_invalid", param });
  return new ApiError(`Invalid ${param}: ${issue.message}`, { param });
}

/** Returns the error for a number or text that exceeds its limits; null if the value is invalid for a different reason. */
function rangeError(issue: z.core.$ZodIssue, param: string, value: unknown): ApiError | null {
  if (issue.message === "integer")
    return new ApiError(`Invalid integer: ${displayValue(value)}`, { code: "parameter_invalid_integer", param });
  if (issue.code === "too_small" && issue.origin === "number")
    return new ApiError(`This value must be greater than or equal to ${issue.minimum}.`, {
      code: "parameter_invalid_integer",
      param,
    });
  if (issue.code === "too_big" && issue.origin === "number")
    return new ApiError(
      `This value must be less than or equal to ${issue.maximum} (currently: ${displayValue(value)}).`,
      {
        code: "parameter_invalid_integer",
        param,
      },
    );
  if (issue.code === "too_big" && issue.origin === "string")
    return new ApiError(
      `Invalid string: ${truncate(displayValue(value))}; must be at most ${issue.maximum} characters`,
      {
        param,
      },
    );
  return null;
}

export function cannotBeUnset(param: string): ApiError {
  const message = `You passed an empty string for '${param}'. We assume empty values are an attempt to unset a parameter; however '${param}' cannot be unset.`;
  return new ApiError(message, { code: "parameter_invalid_empty", param });
}

/** Throws Stripe's error if a request contains both parameters. */
export function refuseBoth(params: object, one: string, other: string): void {
  const given = params as Record<string, unknown>;
  if (given[one] === undefined || given[other] === undefined) return;
  throw new ApiError(`You may only specify one of these parameters: ${one}, ${other}.`, {
    code: "parameters_exclusive",
    param: one,
  });
}

function truncate(value: string): string {
  return value.length < 40 ? value : `${value.slice(0, 17)}...${value.slice(-17)}`;
}

function displayValue(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Returns the values as a text such as "a, b, or c". */
export function oneOf(values: readonly unknown[]): string {
  const texts = values.map(String);
  return texts.length < 2 ? texts.join("") : `${texts.slice(0, -1).join(", ")}, or ${texts.at(-1)}`;
}

function paramName(path: readonly PropertyKey[]): string {
  const [head, ...rest] = path.map(String);
  return `${head ?? ""}${rest.map((part) => `[${part}]`).join("")}`;
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let current = value;
  for (const part of path) {
    if (typeof current !== "object" || current === null) return undefined;
    current = (current as Record<PropertyKey, unknown>)[part];
  }
  return current;
}

/**
 * Merges new metadata into existing metadata. An empty metadata value removes its key. An empty string instead of a metadata
 * hash removes all metadata keys.
 */
export function mergeMetadata(
  current: Record<string, string>,
  change: "" | Record<string, string> | undefined,
): Record<string, string> {
  if (change === undefined) return current;
  if (change === "") return {};
  const merged = Object.entries({ ...current, ...change }).filter(([, value]) => value !== "");
  if (merged.length > METADATA.keys)
    throw new ApiError(`Metadata can have up to ${METADATA.keys} keys, but this would make ${merged.length}.`, {
      param: "metadata",
    });
  return Object.fromEntries(merged);
}
