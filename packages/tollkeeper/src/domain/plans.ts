/**
 * Defines the plans that the app sells, in code. The command `plans push` creates Stripe's products and prices from these
 * plans.
 */
import { ConfigError } from "../errors.ts";
import { chargeStepOf } from "./money.ts";
import { findShapeProblems, type FieldType } from "./plan-shape.ts";
import type { PriceRecord, ProductRecord } from "./records.ts";

export const PLAN_INTERVALS = ["month", "year"] as const;
export type PlanInterval = (typeof PLAN_INTERVALS)[number];

export interface PlanPrice {
  interval: PlanInterval;
  /** Amount in the currency's minor unit: 900 is $9.00 or ¥900. */
  amount: number;
  /** Three-letter ISO code of the currency in lower case. */
  currency: string;
  /** Days of trial before the first charge; 0 for no trial. */
  trialDays: number;
}

export interface Plan {
  id: string;
  name: string;
  description: string | null;
  /** Name of the group to which the plan belongs. An owner has at most one live subscription per group. */
  group: string;
  features: readonly { id: string; name: string }[];
  prices: readonly PlanPrice[];
  /** Name of the app that sells the plan, from the option `app`; undefined if the option is not set. */
  app?: string | undefined;
  /** If true, the plan is not sold and still gives access to its subscribers. */
  retired: boolean;
}

export interface PlanInput {
  id: string;
  name: string;
  description?: string | null;
  /** Name of the group to which the plan belongs. Default: "default". */
  group?: string;
  /** The plan's features, each given as an id, or as an id with a display name. */
  features: readonly (string | { id: string; name: string })[];
  prices: readonly (Omit<PlanPrice, "trialDays"> & { trialDays?: number })[];
  /** If true, the plan is not sold and still gives access to its subscribers. Default false. */
  retired?: boolean;
}

export type Plans = readonly Plan[];

type FieldsOf<T> = Record<keyof T, FieldType>;
type FeatureInput = Exclude<PlanInput["features"][number], string>;

/** The fields of the input, for the check of plans that JavaScript code passes. */
const FIELDS = {
  plan: {
    id: "string",
    name: "string",
    description: "optional string",
    group: "optional string",
    features: "list",
    prices: "list",
    retired: "optional boolean",
  } satisfies FieldsOf<PlanInput>,
  features: { id: "string", name: "string" } satisfies FieldsOf<FeatureInput>,
  prices: {
    interval: "string",
    amount: "number",
    currency: "string",
    trialDays: "optional number",
  } satisfies FieldsOf<PlanInput["prices"][number]>,
};

const ID = /^[a-z][a-z0-9_]{0,39}$/;
const MAX_TRIAL_DAYS = 730;
const MAX_AMOUNT = 99_999_999;

/**
 * Checks the given plans and adds default values. Throws a `ConfigError` that lists all problems of the plans.
 *
 * @example
 * const plans = definePlans([{
 *   id: "premium", name: "Premium", features: ["exports"],
 *   prices: [{ interval: "month", amount: 900, currency: "usd", trialDays: 7 }],
 * }]);
 */
export function definePlans(input: readonly PlanInput[]): Plans {
  const problems = findPlanProblems(input);
  if (problems.length > 0) throw new ConfigError(problems);
  return input.map(toPlan);
}

/** Returns one text for each problem of the plans. If plans have a wrong shape, returns only problems of the shape. */
export function findPlanProblems(input: readonly PlanInput[]): string[] {
  const shapeProblems = findShapeProblems(input, FIELDS);
  if (shapeProblems.length > 0) return shapeProblems;
  const plans = input.map(toPlan);
  const problems = duplicates(plans.map((plan) => plan.id)).map((id) => `plan "${id}" is defined twice`);
  if (plans.length === 0) problems.push("plans are empty: define at least one plan");
  for (const plan of plans) problems.push(...problemsOf(plan).map((problem) => `plan "${plan.id}": ${problem}`));
  return problems;
}

/** Form of an app's name. The metadata key of its users' ids, such as `shop_user_id`, has at most 40 characters. */
export const APP_NAME = /^[a-z][a-z0-9_]{0,31}$/;

/** Returns the plans of an app. Without a name, the plans stay as they are. */
export function withApp(plans: Plans, app: string | undefined): Plans {
  return app === undefined ? plans : plans.map((plan) => ({ ...plan, app }));
}

/**
 * Returns the lookup key of a plan's price at Stripe. The name of an app is a prefix, so that two apps in one account have
 * different keys. @see https://docs.stripe.com/products-prices/manage-prices#lookup-keys
 */
export function lookupKey(planId: string, interval: PlanInterval, app?: string): string {
  return `${app === undefined ? "" : `${app}.`}${planId}_${interval}`;
}

/** Returns true if the product is marked as a product of another app than the one that sells the plan. */
export function isOfOtherApp({ app }: Pick<Plan, "app">, product: { app?: string | null }): boolean {
  return product.app != null && product.app !== app;
}

export function findPlan(plans: Plans, planId: string): Plan | undefined {
  return plans.find((plan) => plan.id === planId);
}

export function findPlanPrice(plan: Plan, interval: PlanInterval): PlanPrice | undefined {
  return plan.prices.find((price) => price.interval === interval);
}

/**
 * Returns the plan of a Stripe price, by the product's metadata or else by the price's lookup key. The product's metadata stays
 * the same if a new price replaces the product's old price. Returns undefined if the price belongs to no plan, or to a plan of
 * another app.
 */
export function planOfPrice(
  plans: Plans,
  price: Pick<PriceRecord, "lookupKey"> | undefined,
  product: (Pick<ProductRecord, "plan"> & Partial<Pick<ProductRecord, "app">>) | undefined,
): Plan | undefined {
  const own = product === undefined ? plans : plans.filter((plan) => !isOfOtherApp(plan, product));
  return (
    own.find((plan) => plan.id === product?.plan && (plan.app ?? null) === (product.app ?? null)) ??
    own.find((plan) => plan.prices.some((p) => lookupKey(plan.id, p.interval, plan.app) === price?.lookupKey))
  );
}

function toPlan(input: PlanInput): Plan {
  return {
    id: input.id,
    name: input.name,
    description: input.description ?? null,
    group: input.group ?? "default",
    features: input.features.map((feature) => (typeof feature === "string" ? { id: feature, name: feature } : feature)),
    prices: input.prices.map((price) => ({ ...price, trialDays: price.trialDays ?? 0 })),
    retired: input.retired ?? false,
  };
}

function problemsOf(plan: Plan): string[] {
  const problems: string[] = [];
  if (!ID.test(plan.id)) problems.push(`id must match ${ID}`);
  if (!ID.test(plan.group)) problems.push(`group "${plan.group}" must match ${ID}`);
  if (plan.name.trim() === "") problems.push("name is blank");
  for (const feature of plan.features)
    if (!ID.test(feature.id)) problems.push(`feature "${feature.id}" must match ${ID}`);
  for (const id of duplicates(plan.features.map((feature) => feature.id)))
    problems.push(`feature "${id}" is listed twice`);
  if (plan.prices.length === 0) problems.push("has no price");
  for (const interval of duplicates(plan.prices.map((price) => price.interval)))
    problems.push(`has two prices for interval "${interval}"`);
  for (const price of plan.prices)
    problems.push(...problemsOfPrice(price).map((problem) => `price ${price.interval}: ${problem}`));
  return problems;
}

/** Returns the names of the plan groups, each once. */
export function groupsOf(plans: Plans): string[] {
  return [...new Set(plans.map((plan) => plan.group))];
}

function problemsOfPrice(price: PlanPrice): string[] {
  const problems: string[] = [];
  if (price.interval !== "month" && price.interval !== "year") problems.push('interval must be "month" or "year"');
  if (!isWhole(price.amount, 1, MAX_AMOUNT))
    problems.push(`amount ${price.amount} must be a whole number of minor units from 1 to ${MAX_AMOUNT}`);
  else if (price.amount % chargeStepOf(price.currency) !== 0)
    problems.push(
      `amount ${price.amount} must be a multiple of ${chargeStepOf(price.currency)}, because Stripe charges no smaller part of ` +
        `the currency "${price.currency}"`,
    );
  if (!/^[a-z]{3}$/.test(price.currency))
    problems.push(`currency "${price.currency}" must be three lower-case letters, such as "usd"`);
  if (!isWhole(price.trialDays, 0, MAX_TRIAL_DAYS))
    problems.push(`trialDays ${price.trialDays} must be a whole number from 0 to ${MAX_TRIAL_DAYS}`);
  return problems;
}

function isWhole(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}

function duplicates(values: readonly string[]): string[] {
  return [...new Set(values.filter((value, index) => values.indexOf(value) !== index))];
}
