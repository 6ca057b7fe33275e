/** Prices. @see https://docs.stripe.com/api/prices/object */
import { now } from "../core/clock.ts";
import { newId } from "../core/ids.ts";
import type { ObjectSource } from "../core/object-source.ts";
import { mergeMetadata } from "../core/params.ts";
import type { Interval } from "../core/periods.ts";

export type Price = ReturnType<typeof newPrice>;

interface AmountInput {
  unit_amount?: number | undefined;
  unit_amount_decimal?: string | undefined;
}

interface TierInput extends AmountInput {
  /** The highest quantity in the tier; null for the last tier, which has no limit. */
  up_to: number | null;
  flat_amount?: number | undefined;
  flat_amount_decimal?: string | undefined;
}

interface CurrencyOptionInput extends AmountInput {
  tax_behavior?: TaxBehavior | undefined;
  tiers?: TierInput[] | undefined;
}

type TaxBehavior = "exclusive" | "inclusive" | "unspecified";

/** Parameters of a new price. Amounts are in minor units. */
export interface NewPrice extends AmountInput {
  id?: string | undefined;
  active?: boolean | undefined;
  currency: string;
  billing_scheme?: "per_unit" | "tiered" | undefined;
  tiers_mode?: "graduated" | "volume" | undefined;
  tiers?: TierInput[] | undefined;
  transform_quantity?: { divide_by: number; round: "up" | "down" } | undefined;
  recurring?:
    | {
        interval: Interval;
        interval_count?: number | undefined;
        meter?: string | undefined;
        trial_period_days?: number | undefined;
        usage_type?: "licensed" | "metered" | undefined;
      }
    | undefined;
  currency_options?: Record<string, CurrencyOptionInput> | undefined;
  lookup_key?: string | undefined;
  nickname?: string | undefined;
  tax_behavior?: TaxBehavior | undefined;
  metadata?: "" | Record<string, string> | undefined;
}

export function newPrice(source: ObjectSource, params: NewPrice, product: string) {
  const tiered = params.billing_scheme === "tiered";
  const { unit_amount, unit_amount_decimal } = amounts(params);
  return {
    id: params.id ?? newId(source, "price"),
    object: "price" as const,
    active: params.active ?? true,
    billing_scheme: params.billing_scheme ?? ("per_unit" as const),
    created: now(source),
    currency: params.currency.toLowerCase(),
    custom_unit_amount: null,
    livemode: false as const,
    lookup_key: params.lookup_key ?? null,
    metadata: mergeMetadata({}, params.metadata),
    nickname: params.nickname ?? null,
    product,
    recurring: params.recurring ? recurringOf(params.recurring) : null,
    tax_behavior: params.tax_behavior ?? ("unspecified" as const),
    tiers_mode: params.tiers_mode ?? null,
    transform_quantity: params.transform_quantity ?? null,
    type: params.recurring ? ("recurring" as const) : ("one_time" as const),
    unit_amount: tiered ? null : unit_amount,
    unit_amount_decimal: tiered ? null : unit_amount_decimal,
    /** Responses include `tiers` and `currency_options` only if the request expands them. */
    tiers: tiered ? (params.tiers ?? []).map(toTier) : undefined,
    currency_options: params.currency_options ? newCurrencyOptions(params.currency_options, tiered) : undefined,
  };
}

function recurringOf(given: NonNullable<NewPrice["recurring"]>) {
  return {
    interval: given.interval,
    interval_count: given.interval_count ?? 1,
    meter: given.meter ?? null,
    trial_period_days: given.trial_period_days ?? null,
    usage_type: given.usage_type ?? ("licensed" as const),
  };
}

/**
 * Returns an amount as an integer and as a decimal text. The integer form of an amount is null if the amount is not a whole
 * number.
 */
function amounts({ unit_amount, unit_amount_decimal }: AmountInput) {
  const decimal = unit_amount_decimal ?? (unit_amount === undefined ? null : String(unit_amount));
  return {
    unit_amount: decimal === null || !isWhole(decimal) ? null : Number(decimal),
    unit_amount_decimal: decimal,
  };
}

function isWhole(decimal: string): boolean {
  return /^-?\d+(\.0*)?$/.test(decimal);
}

function toTier(tier: TierInput) {
  const flat = tier.flat_amount_decimal ?? (tier.flat_amount === undefined ? null : String(tier.flat_amount));
  return {
    flat_amount: flat === null || !isWhole(flat) ? null : Number(flat),
    flat_amount_decimal: flat,
    ...amounts(tier),
    up_to: tier.up_to,
  };
}

export type CurrencyOption = ReturnType<typeof newCurrencyOption>;

/** Returns the amounts of a price in each of the given currencies. */
export function newCurrencyOptions(
  given: Record<string, CurrencyOptionInput>,
  tiered: boolean,
): Record<string, CurrencyOption> {
  return Object.fromEntries(Object.entries(given).map(([name, option]) => [name, newCurrencyOption(option, tiered)]));
}

function newCurrencyOption(option: CurrencyOptionInput, tiered: boolean) {
  const { unit_amount, unit_amount_decimal } = amounts(option);
  return {
    custom_unit_amount: null,
    tax_behavior: option.tax_behavior ?? ("unspecified" as const),
    ...(tiered && { tiers: (option.tiers ?? []).map(toTier) }),
    unit_amount: tiered ? null : unit_amount,
    unit_amount_decimal: tiered ? null : unit_amount_decimal,
  };
}
