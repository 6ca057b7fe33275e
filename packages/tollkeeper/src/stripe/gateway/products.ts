/** Sends requests about products and prices to Stripe. */
import type Stripe from "stripe";
import { lookupKey, type Plan } from "../../domain/plans.ts";
import * as records from "../records.ts";
import { translateErrors, translateErrorsOrNull } from "./stripe-errors.ts";
import { MAX_LISTED, PAGE_SIZE, type CallContext, type ProductCalls, type ListedPrice } from "./types.ts";

/** Stripe accepts at most ten lookup keys per list request. */
const LOOKUP_KEYS_PER_LIST = 10;

export function productCalls(stripe: Stripe, { withKey }: Pick<CallContext, "withKey">): ProductCalls {
  return {
    retrieveProduct: (id) => translateErrorsOrNull(async () => records.toProduct(await stripe.products.retrieve(id))),
    retrievePrice: (id) => translateErrorsOrNull(async () => records.toPrice(await stripe.prices.retrieve(id))),

    listProducts: () =>
      translateErrors(async () => {
        const listed = await stripe.products.list({ limit: PAGE_SIZE }).autoPagingToArray({ limit: MAX_LISTED });
        return listed.map(records.toProduct);
      }),

    listPricesByLookupKey: (keys) =>
      translateErrors(async () => {
        const found: ListedPrice[] = [];
        for (let start = 0; start < keys.length; start += LOOKUP_KEYS_PER_LIST) {
          const lookup_keys = keys.slice(start, start + LOOKUP_KEYS_PER_LIST);
          const page = await stripe.prices.list({ lookup_keys, limit: PAGE_SIZE, expand: ["data.product"] });
          found.push(...page.data.map((price) => ({ ...records.toPrice(price), productApp: appOf(price.product) })));
        }
        return found;
      }),

    createProduct: (plan, key) =>
      translateErrors(async () => {
        const params = {
          name: plan.name,
          metadata: planMetadata(plan),
          ...(plan.description !== null && { description: plan.description }),
        };
        return records.toProduct(await withKey(key, (options) => stripe.products.create(params, options)));
      }),

    renameProduct: (id, name, key) =>
      translateErrors(async () => {
        await withKey(key, (options) => stripe.products.update(id, { name }, options));
      }),

    createPrice: (plan, price, productId, key) =>
      translateErrors(async () => {
        const params = {
          product: productId,
          unit_amount: price.amount,
          currency: price.currency,
          recurring: { interval: price.interval },
          lookup_key: lookupKey(plan.id, price.interval, plan.app),
          transfer_lookup_key: true,
          metadata: planMetadata(plan),
        };
        const created = await withKey(key, (options) => stripe.prices.create(params, options));
        return records.toPrice(created);
      }),
  };
}

function appOf(product: Stripe.Price["product"]): string | null {
  return typeof product === "string" || product.deleted ? null : (product.metadata[records.APP_METADATA] ?? null);
}

function planMetadata({ id, app }: Pick<Plan, "id" | "app">): Record<string, string> {
  return { [records.PLAN_METADATA]: id, ...(app !== undefined && { [records.APP_METADATA]: app }) };
}
