/**
 * Limits the billing of a subscription to the time before its planned end.
 * @see https://docs.stripe.com/billing/subscriptions/cancel
 */
import { round } from "../core/money.ts";
import type { InvoiceLine } from "../objects/invoice-line.ts";
import type { Subscription } from "../objects/subscription.ts";

/** Returns the time at which a subscription ends within a period; null if the end is not planned or ends no period early. */
export function plannedEnd({ cancel_at: at, cancel_at_period_end: atPeriodEnd }: Subscription): number | null {
  return atPeriodEnd ? null : at;
}

/**
 * Reduces invoice lines to the time before the planned end of their subscription.
 * @see The doc comment of `cancel_at` in `SubscriptionCreateParams`.
 */
export function cutAtPlannedEnd(subscription: Subscription, lines: readonly InvoiceLine[]): InvoiceLine[] {
  const end = plannedEnd(subscription) ?? Infinity;
  return lines.map((line) => (end < line.period.end && end > line.period.start ? cutLine(line, end) : line));
}

function cutLine(line: InvoiceLine, end: number): InvoiceLine {
  const { start } = line.period;
  const amount = round((line.amount * (end - start)) / (line.period.end - start));
  return { ...line, amount, subtotal: amount, period: { start, end } };
}
