/** Manual tax rates. @see https://docs.stripe.com/api/tax_rates */
import { z } from "zod";
import type { Api } from "../api.ts";
import { change, emit } from "../core/events.ts";
import { page } from "../core/lists.ts";
import { decimal, expand, flag, listParams, mergeMetadata, metadata, text } from "../core/params.ts";
import { newId } from "../core/ids.ts";
import { all, insert, need, now, type World } from "../core/world.ts";

export type TaxRate = ReturnType<typeof newTaxRate>;

const fields = {
  active: flag.optional(),
  country: text.optional(),
  description: text.optional(),
  jurisdiction: text.optional(),
  state: text.optional(),
  metadata: metadata.optional(),
  expand,
};
const CreateParams = z.strictObject({
  ...fields,
  display_name: text.min(1),
  inclusive: flag,
  percentage: decimal.pipe(z.number().min(0).max(100)),
});
const UpdateParams = z.strictObject({ ...fields, display_name: text.optional() });
const ListParams = z.strictObject({ ...listParams, active: flag.optional(), inclusive: flag.optional() });

function newTaxRate(world: World, params: z.output<typeof CreateParams>) {
  return {
    id: newId(world, "txr"),
    object: "tax_rate" as const,
    active: params.active ?? true,
    country: params.country ?? null,
    created: now(world),
    description: params.description ?? null,
    display_name: params.display_name,
    effective_percentage: null,
    flat_amount: null,
    inclusive: params.inclusive,
    jurisdiction: params.jurisdiction ?? null,
    jurisdiction_level: null,
    livemode: false as const,
    metadata: mergeMetadata({}, params.metadata),
    percentage: params.percentage,
    rate_type: "percentage" as const,
    state: params.state ?? null,
    tax_type: null,
  };
}

export function taxRateRoutes(api: Api): void {
  api.post("/v1/tax_rates", CreateParams, (world, params) => {
    const rate = insert(world, "tax_rate", newTaxRate(world, params));
    emit(world, "tax_rate.created", rate);
    return rate;
  });
  api.get("/v1/tax_rates", ListParams, (world, params) => {
    return page(
      world,
      all(world, "tax_rate"),
      params,
      "/v1/tax_rates",
      (row) =>
        (params.active === undefined || row.active === params.active) &&
        (params.inclusive === undefined || row.inclusive === params.inclusive),
    );
  });
  api.get("/v1/tax_rates/:id", z.strictObject({ expand }), (world, _params, id) => need(world, "tax_rate", id));
  api.post("/v1/tax_rates/:id", UpdateParams, (world, params, id) => {
    const rate = need(world, "tax_rate", id);
    change(world, "tax_rate.updated", rate, () => {
      const { expand: _expand, metadata: changed, ...given } = params;
      Object.assign(rate, Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)));
      rate.metadata = mergeMetadata(rate.metadata, changed);
    });
    return rate;
  });
}
