/**
 * Bills the time before the creation of a backdated subscription.
 * @see https://docs.stripe.com/billing/subscriptions/backdating
 */
import { ApiError } from "../core/errors.ts";
import { round } from "../core/money.ts";
import { endOf, startOf } from "../core/periods.ts";
import type { Context } from "../core/state.ts";
import type { InvoiceLine, Period } from "../objects/invoice-line.ts";
import type { Invoice } from "../objects/invoice.ts";
import type { Subscription, SubscriptionItem } from "../objects/subscription.ts";
import { linesOfItem } from "./invoice-lines.ts";
import { isLicensed } from "./subscription-periods.ts";

/** The largest number of lines of an invoice. */
const MAX_LINES = 250;

/**
 * Returns one line for each natural billing period between the start of the subscription and its current period, as flexible
 * billing mode does. Usage is billed later.
 */
export function linesBeforeNow(
  context: Context,
  draft: Invoice,
  subscription: Subscription,
  startDate: number,
): InvoiceLine[] {
  const lines = subscription.items.data.filter(isLicensed).flatMap((item) =>
    pastPeriods(subscription, item, startDate).flatMap((period) =>
      linesOfItem(context, draft.id, { subscription, item, period }).map((line) => {
        const share = shareOfNaturalPeriod(subscription, item, period);
        const amount = round(line.amount * share);
        return { ...line, amount, subtotal: amount };
      }),
    ),
  );
  if (lines.length > MAX_LINES) throw tooManyLines();
  return lines;
}

function pastPeriods(
  { billing_cycle_anchor: anchor }: Subscription,
  item: SubscriptionItem,
  startDate: number,
): Period[] {
  const periods: Period[] = [];
  for (let start = startDate; start < item.current_period_start;) {
    if (periods.length > MAX_LINES) throw tooManyLines();
    const end = Math.min(endOf(item.price, anchor, start), item.current_period_start);
    periods.push({ start, end });
    start = end;
  }
  return periods;
}

function shareOfNaturalPeriod(
  { billing_cycle_anchor: anchor }: Subscription,
  { price }: SubscriptionItem,
  { start, end }: Period,
): number {
  return (end - start) / (endOf(price, anchor, start) - startOf(price, anchor, start));
}

function tooManyLines(): ApiError {
  return new ApiError(`The invoice of a backdated subscription can have at most ${MAX_LINES} line items.`, {
    param: "backdate_start_date",
  });
}
