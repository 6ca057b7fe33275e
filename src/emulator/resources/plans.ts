/** Recurring prices under their older name. @see https://docs.stripe.com/api/plans */
import { z } from "zod";
import type { Api } from "../api.ts";
import { missing } from "../core/errors.ts";
import { page } from "../core/lists.ts";
import { expand, flag, listParams, text } from "../core/params.ts";
import { planOf } from "../core/present.ts";
import { all, find } from "../core/world.ts";

const ListParams = z.strictObject({ ...listParams, active: flag.optional(), product: text.optional() });

export function planRoutes(api: Api): void {
  api.get("/v1/plans", ListParams, (world, params) => {
    const prices = all(world, "price").filter(
      (price) =>
        price.recurring !== null &&
        (params.active === undefined || price.active === params.active) &&
        (params.product === undefined || price.product === params.product),
    );
    return page(world, prices.map(planOf), params, "/v1/plans");
  });

  api.get("/v1/plans/:id", z.strictObject({ expand }), (world, _params, id) => {
    const price = find(world, "price", id);
    if (!price?.recurring) throw missing("plan", id, "id");
    return planOf(price);
  });
}
