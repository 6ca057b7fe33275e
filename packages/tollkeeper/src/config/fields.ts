/**
 * Creates the fields of the options' schema. Each field checks the value of one option, and reports a wrong value with a
 * correction.
 */
import { z } from "zod";
import { HOOK_NAMES, type Hooks } from "../domain/hooks.ts";
import { nearestName } from "../domain/nearest-name.ts";
import { definePlans, findPlanProblems, type Plans } from "../domain/plans.ts";
import { RANGES } from "./defaults.ts";
import { describeUnknownOption, nameOf, show, type OptionName } from "./problem-text.ts";

/** Returns a text about the problem of an option's value, without the option's name; null if the value is valid. */
export type Rule<Value> = (value: Value) => string | null;

export function check<Schema extends z.ZodType>(
  option: OptionName,
  schema: Schema,
  rule: Rule<z.output<Schema>>,
): Schema {
  return schema.superRefine((value, context) => {
    const found = rule(value);
    if (found !== null) context.addIssue(`${nameOf(option)} ${found}`);
  });
}

export function checkEach(
  option: OptionName,
  schema: z.ZodArray<z.ZodString>,
  rule: Rule<string>,
): z.ZodArray<z.ZodString> {
  return schema.superRefine((values, context) => {
    for (const found of new Set(values.map(rule))) if (found !== null) context.addIssue(`${nameOf(option)} ${found}`);
  });
}

export function stringField(option: OptionName, rule: Rule<string> = () => null): z.ZodString {
  const error = describeMissingOr(option, rule, (value) => `${show(value)} must be a string`);
  return check(option, z.string({ error }), rule);
}

/** Creates a field for a secret string. Error messages about a secret field never show its value. */
export function secretField(option: OptionName, rule: Rule<string>): z.ZodString {
  return check(option, z.string({ error: describeMissingOr(option, rule, () => "must be a string") }), rule);
}

export function listField(option: OptionName): z.ZodArray<z.ZodString> {
  const error = describeTypeError(nameOf(option), () => "must be a list of strings");
  return z.array(z.string({ error }), { error });
}

export function booleanField(name: string): z.ZodBoolean {
  return z.boolean({ error: describeTypeError(name, (value) => `${show(value)} must be true or false`) });
}

/** Creates a field with one of several texts as its value. */
export function choiceField<const Choice extends string>(
  name: string,
  choices: readonly Choice[],
): z.ZodEnum<{ [Name in Choice]: Name }> {
  const error = describeTypeError(name, (value) => `${show(value)} must be ${choices.map(show).join(" or ")}`);
  return z.enum(choices, { error });
}

export function wholeNumberField(option: keyof typeof RANGES): z.ZodNumber {
  const { min, max } = RANGES[option];
  const describe = (value: unknown): string => `${show(value)} must be a whole number from ${min} to ${max}`;
  const error = describeTypeError(nameOf(option), describe);
  return z.number({ error }).refine((value) => Number.isInteger(value) && value >= min && value <= max, { error });
}

export function functionField<Value>(option: OptionName): z.ZodType<Value, Value> {
  const error = describeTypeError(option, () => "must be a function");
  return z.custom<Value>((value) => typeof value === "function", { error });
}

export function objectField<Value>(option: OptionName): z.ZodType<Value, Value> {
  const error = describeTypeError(option, () => "must be an object");
  return z.custom<Value>((value) => typeof value === "object" && value !== null, { error });
}

/** Returns a function that describes a value of the wrong type. */
export function describeTypeError(name: string, describe: (value: unknown) => string) {
  return ({ input }: { input?: unknown }): string => `${name} ${describe(input)}`;
}

/**
 * Returns a function that describes a missing string in the same way as an empty string. The function `describe` describes
 * every wrong value that is not a missing string.
 */
function describeMissingOr(option: OptionName, rule: Rule<string>, describe: (value: unknown) => string) {
  return describeTypeError(nameOf(option), (value) => (value === undefined ? rule("") : null) ?? describe(value));
}

/** Checks that the hooks are functions with known names. */
export function checkHooks(schema: z.ZodType<Hooks, Hooks>): z.ZodType<Hooks, Hooks> {
  return schema.superRefine((hooks, context) => {
    for (const [name, value] of Object.entries(hooks)) {
      const isKnown = (HOOK_NAMES as readonly string[]).includes(name);
      // The object may also hold helpers of the app, whose names are not like those of hooks.
      const isMeantAsHook = /^on[A-Z]/.test(name) || nearestName(name, HOOK_NAMES) !== null;
      if (!isKnown && isMeantAsHook) context.addIssue(describeUnknownOption(["hooks", name], HOOK_NAMES));
      if (isKnown && value !== undefined && typeof value !== "function")
        context.addIssue(`hooks.${name} must be a function`);
    }
  });
}

/** Checks plans and adds default values, because JavaScript code may pass plans that `definePlans` did not make. */
export function plansField(): z.ZodType<Plans, Plans> {
  const given = z.custom<Plans>((value) => Array.isArray(value) && value.length > 0, {
    error: "plans are missing: define at least one plan with definePlans",
  });
  return given.transform((plans, context) => {
    const problems = findPlanProblems(plans);
    for (const problem of problems) context.addIssue(problem);
    return problems.length > 0 ? z.NEVER : definePlans(plans);
  });
}
