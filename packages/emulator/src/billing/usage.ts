/**
 * Aggregates the meter events of a customer over a period.
 * @see https://docs.stripe.com/billing/subscriptions/usage-based
 */
import { find, listBy } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { Period } from "../objects/invoice-line.ts";
import type { MeterEvent } from "../objects/meter-event.ts";
import type { Meter } from "../objects/meter.ts";
import type { Price } from "../objects/price.ts";

/** Returns a customer's usage of a metered price from `start` (inclusive) to `end` (exclusive). */
export function usageOf(context: Context, customer: string, price: Price, period: Period): number {
  const meter = find(context, "billing.meter", price.recurring?.meter ?? null);
  return meter ? aggregate(meter, eventsOf(context, meter, customer, period)) : 0;
}

export function eventsOf(context: Context, meter: Meter, customer: string, { start, end }: Period): MeterEvent[] {
  return listBy(
    context,
    "billing.meter_event",
    { customer },
    (event) => event.event_name === meter.event_name && event.timestamp >= start && event.timestamp < end,
  );
}

export function aggregate(meter: Meter, events: readonly MeterEvent[]): number {
  const values = events.map((event) => Number(event.payload[meter.value_settings.event_payload_key] ?? 1));
  switch (meter.default_aggregation.formula) {
    case "count":
      return events.length;
    case "last":
      return values.at(-1) ?? 0;
    default:
      return values.reduce((sum, value) => sum + value, 0);
  }
}
