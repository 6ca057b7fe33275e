/**
 * Decides which quantities the portal's configuration allows, and when a change of plan takes effect.
 * @see https://docs.stripe.com/api/customer_portal/configurations/create
 */
import { priceIn } from "../billing/presentment.ts";
import { amountFor } from "../billing/pricing.ts";
import type { PortalConfiguration } from "../objects/portal-configuration.ts";
import type { Price } from "../objects/price.ts";
import type { Subscription } from "../objects/subscription.ts";

type UpdateFeature = PortalConfiguration["features"]["subscription_update"];

export const MAX_QUANTITY = 999_999;

/** The smallest and the largest quantity that a customer can choose. */
export interface QuantityRange {
  minimum: number;
  maximum: number;
}

/**
 * Returns the quantities that the portal allows for a product; null if the quantity can't be changed. The configuration limits
 * only the products that it lists.
 */
export function quantityRange(feature: UpdateFeature, product: string): QuantityRange | null {
  if (!feature.enabled || !feature.default_allowed_updates.includes("quantity")) return null;
  const limits = feature.products?.find((entry) => entry.product === product)?.adjustable_quantity;
  if (!limits) return { minimum: 1, maximum: MAX_QUANTITY };
  if (!limits.enabled) return null;
  return { minimum: Math.max(1, limits.minimum), maximum: Math.min(limits.maximum ?? MAX_QUANTITY, MAX_QUANTITY) };
}

/** Returns a range with the quantities of all products; null if no product has an adjustable quantity. */
export function widestRange(feature: UpdateFeature, products: readonly string[]): QuantityRange | null {
  const ranges = products.flatMap((product) => quantityRange(feature, product) ?? []);
  if (ranges.length === 0) return null;
  return {
    minimum: Math.min(...ranges.map(({ minimum }) => minimum)),
    maximum: Math.max(...ranges.map(({ maximum }) => maximum)),
  };
}

/** Returns whether a change waits for the end of the period, because a condition of `schedule_at_period_end` is true. */
export function waitsForPeriodEnd(
  { schedule_at_period_end: schedule }: UpdateFeature,
  { currency, items }: Subscription,
  { price, quantity }: { price: Price; quantity: number },
): boolean {
  const [item] = items.data;
  if (!item) return false;
  const amount = amountFor(priceIn(price, currency), quantity);
  const isTrue = {
    decreasing_item_amount: amount < amountFor(priceIn(item.price, currency), item.quantity ?? 1),
    shortening_interval: intervalDays(price) < intervalDays(item.price),
  };
  return schedule.conditions.some(({ type }) => isTrue[type]);
}

const DAYS = { day: 1, week: 7, month: 30, year: 365 };

/** Returns the approximate length of a price's interval, to compare it with others. Twelve months are a year. */
function intervalDays({ recurring }: Price): number {
  if (!recurring) return 0;
  const { interval, interval_count: count } = recurring;
  return interval === "month" && count % 12 === 0 ? (count / 12) * DAYS.year : DAYS[interval] * count;
}
