/** The list of events. @see https://docs.stripe.com/api/events */
import { z } from "zod";
import type { Api } from "../api.ts";
import { ApiError } from "../core/errors.ts";
import type { StripeEvent } from "../core/events.ts";
import { page } from "../core/lists.ts";
import { expand, flag, listParams, text } from "../core/params.ts";
import { all, need } from "../core/world.ts";

const ListParams = z.strictObject({
  ...listParams,
  type: text.optional(),
  types: z.array(text).max(20).optional(),
  delivery_success: flag.optional(),
});

export function eventRoutes(api: Api): void {
  api.get("/v1/events", ListParams, (world, params) => {
    if (params.type !== undefined && params.types !== undefined)
      throw new ApiError("You may only specify one of these parameters: type, types.", { param: "type" });
    const { type, types, delivery_success: isDelivered } = params;
    const isAsked = (event: StripeEvent): boolean =>
      (type === undefined || matches(event.type, type)) &&
      (types === undefined || types.includes(event.type)) &&
      (isDelivered === undefined || (event.pending_webhooks === 0) === isDelivered);
    return page(world, all(world, "event"), params, "/v1/events", isAsked);
  });

  api.get("/v1/events/:id", z.strictObject({ expand }), (world, _params, id) => need(world, "event", id));
}

/** `invoice.*` stands for every type that begins so. */
function matches(type: string, wanted: string): boolean {
  return wanted.endsWith("*") ? type.startsWith(wanted.slice(0, -1)) : type === wanted;
}
