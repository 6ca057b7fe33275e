/** Defines the API routes of events. @see https://docs.stripe.com/api/events */
import { z } from "zod";
import type { Api } from "../api.ts";
import { ApiError, resourceMissing } from "../core/errors.ts";
import { type ListParams, paginate } from "../core/pagination.ts";
import { expand, flag, listParams, text } from "../core/params.ts";
import { find, listAll, listBy, listIndexKeys, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { dayOf } from "../core/tables.ts";
import { hasThinEvent, snapshotIdOf, toThinEvent } from "../core/thin-events.ts";
import type { StripeEvent } from "../objects/event.ts";

const EventListParams = z.strictObject({
  ...listParams,
  type: text.optional(),
  types: z.array(text).max(20).optional(),
  delivery_success: flag.optional(),
});

export function eventRoutes(api: Api): void {
  api.get("/v1/events", EventListParams, (context, params) => {
    if (params.type !== undefined && params.types !== undefined)
      throw new ApiError("You may only specify one of these parameters: type, types.", { param: "type" });
    const { type, types, delivery_success: isDelivered } = params;
    const isAsked = (event: StripeEvent): boolean =>
      (type === undefined || matches(event.type, type)) &&
      (types === undefined || types.includes(event.type)) &&
      (isDelivered === undefined || (event.pending_webhooks === 0) === isDelivered);
    return paginate(context, eventsOfDays(context, params), params, { url: "/v1/events", filter: isAsked });
  });

  api.get("/v1/events/:id", z.strictObject({ expand }), (context, _params, id) => retrieve(context, "event", id));

  api.get("/v2/core/events/:id", z.strictObject({}), (context, _params, id) => {
    const event = find(context, "event", snapshotIdOf(id));
    if (!event || !hasThinEvent(event.type)) throw resourceMissing("event", id, "id");
    return toThinEvent(event);
  });
}

/**
 * Returns the events of all days in a time range, from an index of events by day. Because of the index by day, reading all
 * events range by range takes a time that grows only linearly with the number of events.
 */
function eventsOfDays(
  context: Context,
  { created, starting_after: after, ending_before: before }: ListParams,
): StripeEvent[] {
  if (created === undefined) return listAll(context, "event");
  const { gt = 0, gte = gt, lt = Infinity, lte = lt } = created;
  const [first, last] = [dayOf(gte), dayOf(lte)];
  const dayOfCursor = dayOf(find(context, "event", after ?? before ?? null)?.created ?? 0);
  const days = listIndexKeys(context, "event", "day")
    .map(Number)
    .filter((day) => (day >= first && day <= last) || day === dayOfCursor)
    .toSorted((one, other) => one - other);
  return days.flatMap((day) => listBy(context, "event", { day: String(day) }));
}

/**
 * Returns whether an event type matches a filter. The filter `invoice.*` matches every type that starts with
 * `invoice.`.
 */
function matches(type: string, wanted: string): boolean {
  return wanted.endsWith("*") ? type.startsWith(wanted.slice(0, -1)) : type === wanted;
}
