/**
 * Computes the partial period before the billing cycle anchor of a new subscription.
 * @see https://docs.stripe.com/billing/subscriptions/billing-cycle
 */
import { now } from "../core/clock.ts";
import { ApiError } from "../core/errors.ts";
import { round } from "../core/money.ts";
import { endOf, startOf } from "../core/periods.ts";
import type { Context } from "../core/state.ts";
import type { Price } from "../objects/price.ts";

/** Returns the part of a full period's amount that pays for the time from `at` to the anchor. */
export function amountUntilAnchor(
  amount: number,
  price: Price,
  { anchor, at }: { anchor: number; at: number },
): number {
  const whole = anchor - startOf(price, anchor, anchor - 1);
  return round((amount * (anchor - at)) / whole);
}

/** Throws if an anchor is not between now and the end of the first natural period of each recurring price. */
export function checkAnchor(context: Context, anchor: number, prices: readonly Price[], param: string): void {
  const at = now(context);
  if (anchor <= at) throw new ApiError("`billing_cycle_anchor` must be a timestamp in the future.", { param });
  for (const price of prices) {
    if (!price.recurring) continue;
    const natural = endOf(price, at, at);
    if (anchor > natural)
      throw new ApiError(`billing_cycle_anchor cannot be later than next natural billing date (${natural}) for plan`, {
        param,
      });
  }
}
