/** Billing meters. @see https://docs.stripe.com/api/billing/meter/object */
import { now } from "../core/clock.ts";
import { newToken } from "../core/ids.ts";
import type { ObjectSource } from "../core/object-source.ts";

export type Meter = ReturnType<typeof newMeter>;

/** Parameters of a new meter. */
export interface NewMeter {
  display_name: string;
  event_name: string;
  event_time_window?: "day" | "hour" | undefined;
  default_aggregation: { formula: "count" | "last" | "sum" };
  customer_mapping?: { event_payload_key: string; type: "by_id" } | undefined;
  value_settings?: { event_payload_key: string } | undefined;
}

export function newMeter(source: ObjectSource, params: NewMeter) {
  const at = now(source);
  return {
    id: newToken(source, "mtr", 20),
    object: "billing.meter" as const,
    created: at,
    customer_mapping: params.customer_mapping ?? { event_payload_key: "stripe_customer_id", type: "by_id" as const },
    default_aggregation: params.default_aggregation,
    display_name: params.display_name,
    event_name: params.event_name,
    event_time_window: params.event_time_window ?? null,
    livemode: false as const,
    status: "active" as "active" | "inactive",
    status_transitions: { deactivated_at: null as number | null },
    updated: at,
    value_settings: params.value_settings ?? { event_payload_key: "value" },
  };
}
