/** Defines the API routes of prices. @see https://docs.stripe.com/api/prices */
import { z } from "zod";
import type { Api } from "../api.ts";
import { createProduct } from "../billing/products.ts";
import { ApiError } from "../core/errors.ts";
import { emit, emitChange } from "../core/events.ts";
import { hasFields, paginate } from "../core/pagination.ts";
import { currency, expand, flag, listParams, mergeMetadata, metadata, text, unsettable } from "../core/params.ts";
import { insert, listAll, retrieve } from "../core/rows.ts";
import { search, searchParams } from "../core/search.ts";
import type { Context } from "../core/state.ts";
import { newCurrencyOptions, newPrice, type Price } from "../objects/price.ts";
import { checkOption, checkPrice, paramAt } from "./price-checks.ts";
import { CreateParams, currencyOptions, lookupKey, type PriceInput } from "./price-params.ts";
import { intervalParam } from "./shared-params.ts";
import { taxBehavior } from "./tax-params.ts";

const UpdateParams = z.strictObject({
  active: flag.optional(),
  lookup_key: unsettable(lookupKey).optional(),
  transfer_lookup_key: flag.optional(),
  nickname: unsettable(text).optional(),
  tax_behavior: taxBehavior.optional(),
  currency_options: unsettable(currencyOptions).optional(),
  metadata: metadata.optional(),
  expand,
});
const ListParams = z.strictObject({
  ...listParams,
  active: flag.optional(),
  product: text.optional(),
  currency: currency.optional(),
  type: z.enum(["one_time", "recurring"]).optional(),
  lookup_keys: z.array(text).max(10).optional(),
  recurring: z
    .strictObject({
      interval: intervalParam.optional(),
      meter: text.optional(),
      usage_type: z.enum(["licensed", "metered"]).optional(),
    })
    .optional(),
});

/** Creates a price. `at` is the parameter that contains the price's parameters; an empty text if none does. */
export function createPrice(context: Context, params: PriceInput, at = ""): Price {
  checkPrice(context, params, at);
  const product =
    params.product === undefined && params.product_data
      ? createProduct(context, params.product_data)
      : retrieve(context, "product", params.product ?? "", paramAt(at, "product"));
  claimLookupKey(context, params.lookup_key, params.transfer_lookup_key ?? false);
  const price = insert(context, "price", newPrice(context, params, product.id));
  emit(context, "price.created", price);
  return price;
}

/**
 * Creates a price from a parameter such as `items[0][price_data]`. Stripe marks such a price as inactive, so that no later
 * request can use it.
 * @see https://docs.stripe.com/products-prices/manage-prices
 */
export function createInlinePrice(context: Context, params: PriceInput, at: string): Price {
  return createPrice(context, { ...params, active: false }, at);
}

export function priceRoutes(api: Api): void {
  api.post("/v1/prices", CreateParams, createPrice);

  api.get("/v1/prices/search", searchParams, (context, params) =>
    search(context, listAll(context, "price"), params, "/v1/prices/search"),
  );

  api.get("/v1/prices", ListParams, (context, params) => {
    const { active, product, lookup_keys: keys, recurring, type } = params;
    return paginate(context, listAll(context, "price"), params, {
      url: "/v1/prices",
      filter: (row) =>
        hasFields(row, { active, currency: params.currency, product, type }) &&
        (recurring === undefined || (row.recurring !== null && hasFields(row.recurring, recurring))) &&
        (keys === undefined || (row.lookup_key !== null && keys.includes(row.lookup_key))),
    });
  });

  api.get("/v1/prices/:id", z.strictObject({ expand }), (context, _params, id) => retrieve(context, "price", id));

  api.post("/v1/prices/:id", UpdateParams, (context, params, id) => {
    const price = retrieve(context, "price", id);
    const options = mergeOptions(price, params.currency_options);
    checkTaxBehavior(price.tax_behavior, params.tax_behavior, "tax_behavior");
    if (params.lookup_key && params.lookup_key !== price.lookup_key)
      claimLookupKey(context, params.lookup_key, params.transfer_lookup_key ?? false);
    emitChange(context, "price.updated", price, () => {
      if (params.active !== undefined) price.active = params.active;
      if (params.lookup_key !== undefined) price.lookup_key = params.lookup_key;
      if (params.nickname !== undefined) price.nickname = params.nickname;
      if (params.tax_behavior !== undefined) price.tax_behavior = params.tax_behavior;
      if (options !== undefined) price.currency_options = options;
      price.metadata = mergeMetadata(price.metadata, params.metadata);
    });
    return price;
  });
}

/**
 * Adds currency options to those of a price. Throws if the request changes an amount or removes the options. Stripe only adds
 * currencies.
 */
function mergeOptions(price: Price, given: z.output<typeof currencyOptions> | null | undefined) {
  if (given === undefined) return undefined;
  const known = price.currency_options ?? {};
  if (given === null && Object.keys(known).length > 0) throw immutableOption("currency_options");
  const added = newCurrencyOptions(given ?? {}, price.billing_scheme === "tiered");
  for (const [name, option] of Object.entries(given ?? {})) {
    const at = `currency_options[${name}]`;
    const old = name === price.currency ? price : known[name];
    if (old) checkSameOption(old, option, at);
    else checkOption(price.billing_scheme === "tiered", option, at);
    if (old) delete added[name];
  }
  return { ...known, ...added };
}

function checkSameOption(
  old: Pick<Price, "unit_amount" | "unit_amount_decimal" | "tax_behavior">,
  option: z.output<typeof currencyOptions>[string],
  at: string,
): void {
  const { unit_amount: amount = old.unit_amount, unit_amount_decimal: decimal = old.unit_amount_decimal } = option;
  const changed = amount !== old.unit_amount || decimal !== old.unit_amount_decimal || option.tiers !== undefined;
  if (changed || (option.tax_behavior ?? old.tax_behavior) !== old.tax_behavior) throw immutableOption(at);
}

function immutableOption(param: string): ApiError {
  return new ApiError("You are attempting to update an immutable field for an existing currency in currency_options.", {
    param,
  });
}

function checkTaxBehavior(old: string, wanted: string | undefined, param: string): void {
  if (wanted !== undefined && old !== "unspecified" && wanted !== old)
    throw new ApiError("You cannot update `tax_behavior` field once it has been specified", { param });
}

/**
 * Removes a lookup key from its current price, so that a new price can use it. Throws if another price has the lookup key and
 * `transfer_lookup_key` is not set.
 */
function claimLookupKey(context: Context, key: string | undefined, transfer: boolean): void {
  if (key === undefined) return;
  const owner = listAll(context, "price", (price) => price.lookup_key === key)[0];
  if (!owner) return;
  if (!transfer) throw new ApiError(`A price (\`${owner.id}\`) already uses that lookup key.`, { param: "lookup_key" });
  emitChange(context, "price.updated", owner, (row) => {
    row.lookup_key = null;
  });
}
