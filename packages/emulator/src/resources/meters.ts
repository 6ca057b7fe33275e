/** Meters, and the usage they add up. @see https://docs.stripe.com/api/billing/meter */
import { needCustomer } from "../billing/customers.ts";
import { z } from "zod";
import type { Api } from "../api.ts";
import { aggregate, eventsOf } from "../billing/usage.ts";
import { ApiError } from "../core/errors.ts";
import { emit } from "../core/events.ts";
import { page } from "../core/lists.ts";
import { expand, integer, listParams, text } from "../core/params.ts";
import { newId, newToken } from "../core/ids.ts";
import { all, insert, need, now, type World } from "../core/world.ts";

export type Meter = ReturnType<typeof newMeter>;

/** Kept under an id of its own; the API shows all but that. */
export interface MeterEvent {
  id: string;
  object: "billing.meter_event";
  created: number;
  event_name: string;
  identifier: string;
  livemode: false;
  payload: Record<string, string>;
  timestamp: number;
}

const HOUR = 3_600;
const DAY = 24 * HOUR;
/** Usage may be told this late, and this early. */
const MAX_AGE = 35 * DAY;
const MAX_EARLY = 300;

const CreateParams = z.strictObject({
  display_name: text.max(250),
  event_name: text.max(100),
  event_time_window: z.enum(["day", "hour"]).optional(),
  default_aggregation: z.strictObject({ formula: z.enum(["count", "last", "sum"]) }),
  customer_mapping: z.strictObject({ event_payload_key: text, type: z.literal("by_id") }).optional(),
  value_settings: z.strictObject({ event_payload_key: text }).optional(),
  expand,
});
const EventParams = z.strictObject({
  event_name: text.min(1),
  payload: z.record(z.string(), text),
  identifier: text.max(100).optional(),
  timestamp: integer.optional(),
  expand,
});
const SummaryParams = z.strictObject({
  ...listParams,
  customer: text,
  start_time: integer,
  end_time: integer,
  value_grouping_window: z.enum(["day", "hour"]).optional(),
});
const ListParams = z.strictObject({ ...listParams, status: z.enum(["active", "inactive"]).optional() });
const Nothing = z.strictObject({ expand });

function newMeter(world: World, params: z.output<typeof CreateParams>) {
  const at = now(world);
  return {
    id: newToken(world, "mtr", 20),
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

export function meterRoutes(api: Api): void {
  api.post("/v1/billing/meters", CreateParams, (world, params) => {
    if (findMeter(world, params.event_name))
      throw new ApiError(`An active meter with event_name "${params.event_name}" already exists.`, {
        param: "event_name",
      });
    const meter = insert(world, "billing.meter", newMeter(world, params));
    emit(world, "billing.meter.created", meter);
    return meter;
  });
  api.get("/v1/billing/meters", ListParams, (world, params) => {
    return page(
      world,
      all(world, "billing.meter"),
      params,
      "/v1/billing/meters",
      (row) => params.status === undefined || row.status === params.status,
    );
  });
  api.get("/v1/billing/meters/:id", Nothing, (world, _params, id) => need(world, "billing.meter", id));
  api.post("/v1/billing/meters/:id", z.strictObject({ display_name: text.optional(), expand }), (world, params, id) => {
    const meter = need(world, "billing.meter", id);
    if (params.display_name !== undefined) meter.display_name = params.display_name;
    meter.updated = now(world);
    emit(world, "billing.meter.updated", meter);
    return meter;
  });
  for (const [verb, status] of [
    ["deactivate", "inactive"],
    ["reactivate", "active"],
  ] as const)
    api.post(`/v1/billing/meters/:id/${verb}`, Nothing, (world, _params, id) => {
      const meter = need(world, "billing.meter", id);
      meter.status = status;
      meter.status_transitions.deactivated_at = status === "inactive" ? now(world) : null;
      emit(world, `billing.meter.${verb}d`, meter);
      return meter;
    });

  api.post("/v1/billing/meter_events", EventParams, (world, params) => {
    const { id: _kept, ...shown } = recordUsage(world, params);
    return shown;
  });
  api.get("/v1/billing/meters/:id/event_summaries", SummaryParams, (world, params, id) => {
    const meter = need(world, "billing.meter", id);
    return page(world, summaries(world, meter, params), params, `/v1/billing/meters/${id}/event_summaries`);
  });
}

function findMeter(world: World, eventName: string): Meter | undefined {
  return all(world, "billing.meter", (row) => row.status === "active" && row.event_name === eventName)[0];
}

function recordUsage(world: World, params: z.output<typeof EventParams>): MeterEvent {
  const meter = findMeter(world, params.event_name);
  if (!meter)
    throw new ApiError(`No active meter found for event name ${params.event_name}.`, {
      code: "no_meter_found",
      param: "event_name",
    });
  const { customer_mapping: mapping, value_settings: settings } = meter;
  const customer = params.payload[mapping.event_payload_key];
  if (customer === undefined)
    throw new ApiError(`The payload has no "${mapping.event_payload_key}".`, { param: "payload" });
  needCustomer(world, customer, "payload");
  const value = params.payload[settings.event_payload_key];
  if (meter.default_aggregation.formula !== "count" && (value === undefined || !Number.isFinite(Number(value))))
    throw new ApiError(`The payload's "${settings.event_payload_key}" must be a number.`, { param: "payload" });
  const at = now(world);
  const timestamp = params.timestamp ?? at;
  if (timestamp < at - MAX_AGE || timestamp > at + MAX_EARLY)
    throw new ApiError("The timestamp must be within the past 35 calendar days or up to 5 minutes in the future.", {
      param: "timestamp",
    });
  const identifier = params.identifier ?? newId(world, "mev");
  if (
    all(world, "billing.meter_event", (row) => row.identifier === identifier && row.event_name === params.event_name)
      .length > 0
  )
    throw new ApiError(`An event already exists with identifier ${identifier}.`, { param: "identifier" });
  return insert(world, "billing.meter_event", {
    id: newId(world, "mev"),
    object: "billing.meter_event",
    created: at,
    event_name: params.event_name,
    identifier,
    livemode: false,
    payload: { ...params.payload, stripe_customer_id: customer },
    timestamp,
  });
}

function summaries(world: World, meter: Meter, params: z.output<typeof SummaryParams>) {
  const step = { day: DAY, hour: HOUR, whole: params.end_time - params.start_time }[
    params.value_grouping_window ?? "whole"
  ];
  const found = [];
  for (let start = params.start_time; start < params.end_time; start += step) {
    const end = Math.min(params.end_time, start + step);
    const events = eventsOf(world, meter, params.customer, { start, end });
    if (events.length === 0 && params.value_grouping_window !== undefined) continue;
    found.push({
      id: `mtrusg_${meter.id.slice(4)}${start}`,
      object: "billing.meter_event_summary" as const,
      aggregated_value: aggregate(meter, events),
      end_time: end,
      livemode: false as const,
      meter: meter.id,
      start_time: start,
    });
  }
  return found;
}
