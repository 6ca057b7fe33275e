/** Defines the API routes of meters and meter events. @see https://docs.stripe.com/api/billing/meter */
import { z } from "zod";
import type { Api } from "../api.ts";
import { retrieveCustomer } from "../billing/customers.ts";
import { aggregate, eventsOf } from "../billing/usage.ts";
import { now } from "../core/clock.ts";
import { ApiError } from "../core/errors.ts";
import { emit } from "../core/events.ts";
import { newId } from "../core/ids.ts";
import { paginate } from "../core/pagination.ts";
import { expand, integer, listParams, text } from "../core/params.ts";
import { insert, listAll, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { MeterEvent } from "../objects/meter-event.ts";
import { type Meter, newMeter } from "../objects/meter.ts";

const HOUR = 3_600;
const DAY = 24 * HOUR;
/** A meter event's timestamp may be at most 35 days before now, and at most 5 minutes after now, in seconds. */
const MAX_AGE = 35 * DAY;
const MAX_EARLY = 300;

export const CreateParams = z.strictObject({
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
const NoParams = z.strictObject({ expand });

export function meterRoutes(api: Api): void {
  api.post("/v1/billing/meters", CreateParams, (context, params) => {
    if (findMeter(context, params.event_name))
      throw new ApiError(`An active meter with event_name "${params.event_name}" already exists.`, {
        param: "event_name",
      });
    const meter = insert(context, "billing.meter", newMeter(context, params));
    emit(context, "billing.meter.created", meter);
    return meter;
  });
  api.get("/v1/billing/meters", ListParams, (context, params) => {
    return paginate(context, listAll(context, "billing.meter"), params, {
      url: "/v1/billing/meters",
      filter: (row) => params.status === undefined || row.status === params.status,
    });
  });
  api.get("/v1/billing/meters/:id", NoParams, (context, _params, id) => retrieve(context, "billing.meter", id));
  api.post(
    "/v1/billing/meters/:id",
    z.strictObject({ display_name: text.optional(), expand }),
    (context, params, id) => {
      const meter = retrieve(context, "billing.meter", id);
      if (params.display_name !== undefined) meter.display_name = params.display_name;
      meter.updated = now(context);
      emit(context, "billing.meter.updated", meter);
      return meter;
    },
  );
  for (const [verb, status] of [
    ["deactivate", "inactive"],
    ["reactivate", "active"],
  ] as const)
    api.post(`/v1/billing/meters/:id/${verb}`, NoParams, (context, _params, id) => {
      const meter = retrieve(context, "billing.meter", id);
      meter.status = status;
      meter.status_transitions.deactivated_at = status === "inactive" ? now(context) : null;
      emit(context, `billing.meter.${verb}d`, meter);
      return meter;
    });

  api.post("/v1/billing/meter_events", EventParams, (context, params) => {
    const { id: _kept, ...shown } = recordUsage(context, params);
    return shown;
  });
  api.get("/v1/billing/meters/:id/event_summaries", SummaryParams, (context, params, id) => {
    const meter = retrieve(context, "billing.meter", id);
    return paginate(context, summaries(context, meter, params), params, {
      url: `/v1/billing/meters/${id}/event_summaries`,
    });
  });
}

function findMeter(context: Context, eventName: string): Meter | undefined {
  return listAll(context, "billing.meter", (row) => row.status === "active" && row.event_name === eventName)[0];
}

function recordUsage(context: Context, params: z.output<typeof EventParams>): MeterEvent {
  const meter = findMeter(context, params.event_name);
  if (!meter)
    throw new ApiError(`No active meter found for event name ${params.event_name}.`, {
      code: "no_meter_found",
      param: "event_name",
    });
  const { customer_mapping: mapping, value_settings: settings } = meter;
  const customer = params.payload[mapping.event_payload_key];
  if (customer === undefined)
    throw new ApiError(`The payload has no "${mapping.event_payload_key}".`, { param: "payload" });
  retrieveCustomer(context, customer, "payload");
  const value = params.payload[settings.event_payload_key];
  if (meter.default_aggregation.formula !== "count" && (value === undefined || !Number.isFinite(Number(value))))
    throw new ApiError(`The payload's "${settings.event_payload_key}" must be a number.`, { param: "payload" });
  const at = now(context);
  const timestamp = params.timestamp ?? at;
  if (timestamp < at - MAX_AGE || timestamp > at + MAX_EARLY)
    throw new ApiError("The timestamp must be within the past 35 calendar days or up to 5 minutes in the future.", {
      param: "timestamp",
    });
  const identifier = params.identifier ?? newId(context, "mev");
  if (
    listAll(
      context,
      "billing.meter_event",
      (row) => row.identifier === identifier && row.event_name === params.event_name,
    ).length > 0
  )
    throw new ApiError(`An event already exists with identifier ${identifier}.`, { param: "identifier" });
  return insert(context, "billing.meter_event", {
    id: newId(context, "mev"),
    object: "billing.meter_event",
    created: at,
    event_name: params.event_name,
    identifier,
    livemode: false,
    payload: { ...params.payload, stripe_customer_id: customer },
    timestamp,
  });
}

function summaries(context: Context, meter: Meter, params: z.output<typeof SummaryParams>) {
  const step = { day: DAY, hour: HOUR, whole: params.end_time - params.start_time }[
    params.value_grouping_window ?? "whole"
  ];
  const found = [];
  for (let start = params.start_time; start < params.end_time; start += step) {
    const end = Math.min(params.end_time, start + step);
    const events = eventsOf(context, meter, params.customer, { start, end });
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
