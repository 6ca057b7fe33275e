/** Checks the parameters of new prices. @see https://docs.stripe.com/api/prices/create */
import { ApiError } from "../core/errors.ts";
import { retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { AmountInput, PriceInput } from "./price-params.ts";

/** The longest billing period of a price is three years. */
const MAX_COUNTS = { day: 1_095, week: 156, month: 36, year: 3 };
const ADVERBS = { day: "daily", week: "weekly", month: "monthly", year: "yearly" };

/** Returns the full name of a parameter: `items[0][price_data][unit_amount]` for `unit_amount` in `items[0][price_data]`. */
export function paramAt(at: string, name: string): string {
  const [head = "", ...rest] = name.split("[");
  return at === "" ? name : `${at}[${head}]${rest.map((part) => `[${part}`).join("")}`;
}

/** Throws Stripe's error if the parameters of a new price contradict each other. */
export function checkPrice(context: Context, params: PriceInput, at: string): void {
  checkProduct(params, at);
  checkRecurring(context, params.recurring, at);
  if (params.billing_scheme === "tiered") checkTiered(params, at);
  else checkPerUnit(params, at);
  for (const [name, option] of Object.entries(params.currency_options ?? {})) {
    if (name === params.currency) checkOwnOption(params, option, at);
    checkOption(params.billing_scheme === "tiered", option, paramAt(at, `currency_options[${name}]`));
  }
}

/** Throws Stripe's error if a currency option has no amount, or has several amounts. */
export function checkOption(tiered: boolean, option: AmountInput, at: string): void {
  refuseCustomAmount(option, at);
  if (tiered) checkTiers(option, at);
  else checkSingleAmount(option, at);
}

function checkProduct({ product, product_data: data }: PriceInput, at: string): void {
  if (product !== undefined && data !== undefined) throw onlyOne(at, "product", "product_data");
  if (product !== undefined || data !== undefined) return;
  if (at === "") throw new ApiError("You must specify either `product` or `product_data` when creating a price.");
  const param = paramAt(at, "product");
  throw new ApiError(`Missing required param: ${param}.`, { code: "parameter_missing", param });
}

function checkRecurring(context: Context, given: PriceInput["recurring"], at: string): void {
  if (!given) return;
  const { interval, interval_count: count = 1, meter, usage_type: usage } = given;
  if (count > MAX_COUNTS[interval])
    throw new ApiError(
      `The interval_count for ${ADVERBS[interval]} prices can't be greater than ${MAX_COUNTS[interval]}`,
      { param: paramAt(at, "recurring[interval_count]") },
    );
  if (usage === "metered" && meter === undefined)
    throw new ApiError("Starting with Stripe version `2025-03-31.basil`, metered prices must be backed by meters.");
  if (meter === undefined) return;
  const param = paramAt(at, "recurring[meter]");
  if (usage !== "metered")
    throw new ApiError("A price with a meter must have `recurring[usage_type]` set to `metered`.", { param });
  if (retrieve(context, "billing.meter", meter, param).status !== "active")
    throw new ApiError(`The meter ${meter} is inactive. A price needs an active meter.`, { param });
}

function checkTiered(params: PriceInput, at: string): void {
  if (!params.recurring)
    throw new ApiError("Prices with `type=one_time` are not supported with tiered billing.", { param: "interval" });
  if (params.tiers === undefined || params.tiers_mode === undefined)
    throw new ApiError("`tiers` and `tiers_mode` are required for a tiered price.", { param: paramAt(at, "tiers") });
  if (params.transform_quantity)
    throw new ApiError("`transform_quantity` can't be combined with `tiers`.", {
      param: paramAt(at, "transform_quantity"),
    });
  refuseCustomAmount(params, at);
  checkTiers(params, at);
}

function checkTiers({ tiers = [], unit_amount: amount, unit_amount_decimal: decimal }: AmountInput, at: string): void {
  const param = paramAt(at, "tiers");
  if (amount !== undefined || decimal !== undefined)
    throw new ApiError("A price with `billing_scheme=tiered` has its amounts in `tiers`, and no `unit_amount`.", {
      param: paramAt(at, amount === undefined ? "unit_amount_decimal" : "unit_amount"),
    });
  if (tiers.at(-1)?.up_to !== null) throw new ApiError("The last tier must have `up_to` set to `inf`.", { param });
  let from = 0;
  for (const [index, tier] of tiers.entries()) {
    const place = `${param}[${index}]`;
    if (tier.up_to === null ? index < tiers.length - 1 : tier.up_to <= from)
      throw new ApiError("Each tier must have a higher `up_to` than the tier before.", { param: `${place}[up_to]` });
    from = tier.up_to ?? from;
    const { unit_amount: unit, unit_amount_decimal: fine, flat_amount: flat, flat_amount_decimal: fineFlat } = tier;
    if (unit !== undefined && fine !== undefined) throw onlyOne(place, "unit_amount", "unit_amount_decimal");
    if (flat !== undefined && fineFlat !== undefined) throw onlyOne(place, "flat_amount", "flat_amount_decimal");
    if ((unit ?? fine ?? flat ?? fineFlat) === undefined)
      throw new ApiError("Each tier needs a `unit_amount` or a `flat_amount`.", { param: place });
  }
}

function checkPerUnit(params: PriceInput, at: string): void {
  for (const name of ["tiers", "tiers_mode"] as const)
    if (params[name] !== undefined)
      throw new ApiError(`\`${name}\` can only be used with \`billing_scheme=tiered\`.`, { param: paramAt(at, name) });
  refuseCustomAmount(params, at);
  checkSingleAmount(params, at);
}

function checkSingleAmount(given: AmountInput, at: string): void {
  const { unit_amount: amount, unit_amount_decimal: decimal, tiers } = given;
  if (tiers !== undefined)
    throw new ApiError("`tiers` can only be used with `billing_scheme=tiered`.", { param: paramAt(at, "tiers") });
  if (amount !== undefined && decimal !== undefined) throw onlyOne(at, "unit_amount", "unit_amount_decimal");
  if (amount === undefined && decimal === undefined)
    throw new ApiError("Prices require an `unit_amount` or `unit_amount_decimal` parameter to be set.");
}

function checkOwnOption(params: PriceInput, option: AmountInput, at: string): void {
  const same = (["unit_amount", "unit_amount_decimal"] as const).every((name) => option[name] === params[name]);
  if (same) return;
  throw new ApiError("The amount of the price's default currency in `currency_options` must be the price's amount.", {
    param: paramAt(at, `currency_options[${params.currency}]`),
  });
}

function refuseCustomAmount({ custom_unit_amount: custom }: AmountInput, at: string): void {
  if (!custom?.enabled) return;
  throw new ApiError("The emulator does not implement prices whose amount the customer chooses.", {
    status: 501,
    type: "api_error",
    param: paramAt(at, "custom_unit_amount"),
  });
}

function onlyOne(at: string, one: string, other: string): ApiError {
  return new ApiError(`You may only specify one of these parameters: ${one}, ${other}.`, { param: paramAt(at, one) });
}
