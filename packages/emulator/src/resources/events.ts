/** The list of events. @see https://docs.stripe.com/api/events */
import { z } from "zod";
import type { Api } from "../api.ts";
import { ApiError } from "../core/errors.ts";
import type { StripeEvent } from "../core/events.ts";
import { page, type ListParams } from "../core/lists.ts";
import { expand, flag, listParams, text } from "../core/params.ts";
import { dayOf } from "../core/tables.ts";
import { all, find, need, of, owners, type World } from "../core/world.ts";

const EventListParams = z.strictObject({
  ...listParams,
  type: text.optional(),
  types: z.array(text).max(20).optional(),
  delivery_success: flag.optional(),
});

export function eventRoutes(api: Api): void {
  api.get("/v1/events", EventListParams, (world, params) => {
    if (params.type !== undefined && params.types !== undefined)
      throw new ApiError("You may only specify one of these parameters: type, types.", { param: "type" });
    const { type, types, delivery_success: isDelivered } = params;
    const isAsked = (event: StripeEvent): boolean =>
      (type === undefined || matches(event.type, type)) &&
      (types === undefined || types.includes(event.type)) &&
      (isDelivered === undefined || (event.pending_webhooks === 0) === isDelivered);
    return page(world, eventsOfDays(world, params), params, "/v1/events", isAsked);
  });

  api.get("/v1/events/:id", z.strictObject({ expand }), (world, _params, id) => need(world, "event", id));
}

/** Those of the days that a range touches: whoever reads months range by range does not have all looked at for each page. */
function eventsOfDays(
  world: World,
  { created, starting_after: after, ending_before: before }: ListParams,
): StripeEvent[] {
  if (created === undefined) return all(world, "event");
  const { gt = 0, gte = gt, lt = Infinity, lte = lt } = created;
  const [first, last] = [dayOf(gte), dayOf(lte)];
  const dayOfCursor = dayOf(find(world, "event", after ?? before ?? null)?.created ?? 0);
  const days = owners(world, "event", "day")
    .map(Number)
    .filter((day) => (day >= first && day <= last) || day === dayOfCursor)
    .toSorted((one, other) => one - other);
  return days.flatMap((day) => of(world, "event", "day", String(day)));
}

/** `invoice.*` stands for every type that begins so. */
function matches(type: string, wanted: string): boolean {
  return wanted.endsWith("*") ? type.startsWith(wanted.slice(0, -1)) : type === wanted;
}
