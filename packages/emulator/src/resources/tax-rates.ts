/** Defines the API routes of tax rates. @see https://docs.stripe.com/api/tax_rates */
import { z } from "zod";
import type { Api } from "../api.ts";
import { emit, emitChange } from "../core/events.ts";
import { paginate } from "../core/pagination.ts";
import { decimal, expand, flag, listParams, mergeMetadata, metadata, text } from "../core/params.ts";
import { insert, listAll, retrieve } from "../core/rows.ts";
import { newTaxRate } from "../objects/tax-rate.ts";

const fields = {
  active: flag.optional(),
  country: text.optional(),
  description: text.optional(),
  jurisdiction: text.optional(),
  state: text.optional(),
  tax_type: text.optional(),
  metadata: metadata.optional(),
  expand,
};
export const CreateParams = z.strictObject({
  ...fields,
  display_name: text.min(1),
  inclusive: flag,
  percentage: decimal.pipe(z.number().min(0).max(100)),
});
const UpdateParams = z.strictObject({ ...fields, display_name: text.optional() });
const ListParams = z.strictObject({ ...listParams, active: flag.optional(), inclusive: flag.optional() });

export function taxRateRoutes(api: Api): void {
  api.post("/v1/tax_rates", CreateParams, (context, params) => {
    const rate = insert(context, "tax_rate", newTaxRate(context, params));
    emit(context, "tax_rate.created", rate);
    return rate;
  });
  api.get("/v1/tax_rates", ListParams, (context, params) => {
    return paginate(context, listAll(context, "tax_rate"), params, {
      url: "/v1/tax_rates",
      filter: (row) =>
        (params.active === undefined || row.active === params.active) &&
        (params.inclusive === undefined || row.inclusive === params.inclusive),
    });
  });
  api.get("/v1/tax_rates/:id", z.strictObject({ expand }), (context, _params, id) => retrieve(context, "tax_rate", id));
  api.post("/v1/tax_rates/:id", UpdateParams, (context, params, id) => {
    const rate = retrieve(context, "tax_rate", id);
    emitChange(context, "tax_rate.updated", rate, () => {
      const { expand: _expand, metadata: changed, ...given } = params;
      Object.assign(rate, Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)));
      rate.metadata = mergeMetadata(rate.metadata, changed);
    });
    return rate;
  });
}
