/**
 * Keeps the billing objects of a customer in one currency.
 * @see https://docs.stripe.com/invoicing/multi-currency-customers
 */
import { ApiError } from "../core/errors.ts";
import { listBy } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { CheckoutSession } from "../objects/checkout-session.ts";
import type { Customer } from "../objects/customer.ts";
import { termsOf } from "./discounts.ts";
import { isLiveSchedule } from "./schedules.ts";
import { isEnded } from "./subscription-periods.ts";

/** Throws Stripe's error if a customer already has billing objects in a currency other than the given currency. */
export function checkCustomerCurrency(context: Context, customer: Customer, currency: string): void {
  const other = currenciesInUse(context, customer).find((used) => used !== currency);
  if (other === undefined) return;
  throw new ApiError(
    `You cannot combine currencies on a single customer. This customer has an active subscription, subscription schedule, discount, quote, invoice item or active subscription mode checkout session with currency ${other}.`,
  );
}

/** Returns the currency of a customer's billing objects; null if the customer has none. */
export function currencyInUse(context: Context, customer: Customer): string | null {
  return currenciesInUse(context, customer)[0] ?? null;
}

/**
 * Returns the currencies of a customer's billing objects. A pending invoice item in a currency other than the customer's own
 * currency does not count, because a one-off invoice can bill it.
 */
function currenciesInUse(context: Context, customer: Customer): string[] {
  const owner = { customer: customer.id };
  const coupon = termsOf(context, customer.discount ?? undefined);
  const own = customer.currency;
  return [
    ...listBy(context, "subscription", owner, (row) => !isEnded(row)).map((row) => row.currency),
    ...listBy(context, "subscription_schedule", owner, isLiveSchedule).map((row) => row.phases[0]?.currency ?? "usd"),
    ...(coupon?.amount_off != null && coupon.currency != null ? [coupon.currency] : []),
    ...listBy(
      context,
      "invoiceitem",
      owner,
      (row) => row.invoice === null && (own === null || row.currency === own),
    ).map((row) => row.currency),
    ...listBy(context, "checkout.session", owner, isOpenSubscription).map((row) => row.currency ?? "usd"),
  ];
}

function isOpenSubscription({ mode, status }: CheckoutSession): boolean {
  return mode === "subscription" && status === "open";
}
