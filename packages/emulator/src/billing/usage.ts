/** Metered usage: meter events added up over a period. @see https://docs.stripe.com/billing/subscriptions/usage-based */
import { find, of, type World } from "../core/world.ts";
import type { Meter, MeterEvent } from "../resources/meters.ts";
import type { Price } from "../resources/prices.ts";
import type { Period } from "./invoice-lines.ts";

/** What a customer has used of a metered price from `start` (included) to `end`. */
export function usageOf(world: World, customer: string, price: Price, period: Period): number {
  const meter = find(world, "billing.meter", price.recurring?.meter ?? null);
  return meter ? aggregate(meter, eventsOf(world, meter, customer, period)) : 0;
}

export function eventsOf(world: World, meter: Meter, customer: string, { start, end }: Period): MeterEvent[] {
  return of(
    world,
    "billing.meter_event",
    "customer",
    customer,
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
