/** Defines the API routes of tax IDs. @see https://docs.stripe.com/api/tax_ids */
import { z } from "zod";
import type { Api } from "../api.ts";
import { retrieveCustomer } from "../billing/customers.ts";
import { ApiError, notImplemented, resourceMissing } from "../core/errors.ts";
import { emit } from "../core/events.ts";
import { paginate } from "../core/pagination.ts";
import { checkTaxId, createTaxId } from "../billing/tax-ids.ts";
import { expand, listParams, text } from "../core/params.ts";
import { insert, listAll, listBy, remove, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { newTaxId, type TaxId } from "../objects/tax-id.ts";

const CreateParams = z.strictObject({ type: text, value: text, expand });
const owner = z
  .strictObject({
    account: text.optional(),
    customer: text.optional(),
    type: z.enum(["account", "application", "customer", "self"]),
  })
  .optional();
const NoParams = z.strictObject({ expand });

export function taxIdRoutes(api: Api): void {
  api.post("/v1/tax_ids", CreateParams.extend({ owner }), (context, params) => {
    const customer = ownerOf(context, params.owner);
    if (customer !== null) return createTaxId(context, customer, params);
    checkTaxId(params);
    return insert(context, "tax_id", newTaxId(context, params, null));
  });
  api.get("/v1/tax_ids", z.strictObject({ ...listParams, owner }), (context, params) => {
    const wanted = ownerOf(context, params.owner);
    return paginate(
      context,
      listAll(context, "tax_id", ({ customer }) => customer === wanted),
      params,
      { url: "/v1/tax_ids" },
    );
  });
  api.get("/v1/tax_ids/:id", NoParams, (context, _params, id) => retrieve(context, "tax_id", id));
  api.delete("/v1/tax_ids/:id", z.strictObject({}), (context, _params, id) =>
    deleteTaxId(context, retrieve(context, "tax_id", id)),
  );

  const path = "/v1/customers/:id/tax_ids";
  api.post(path, CreateParams, (context, params, id) => {
    return createTaxId(context, retrieveCustomer(context, id).id, params);
  });
  api.get(path, z.strictObject(listParams), (context, params, id) =>
    paginate(context, listBy(context, "tax_id", { customer: retrieveCustomer(context, id).id }), params, {
      url: path.replace(":id", id),
    }),
  );
  api.get(`${path}/:child`, NoParams, (context, _params, id, child) => retrieveOwnTaxId(context, id, child));
  api.delete(`${path}/:child`, z.strictObject({}), (context, _params, id, child) =>
    deleteTaxId(context, retrieveOwnTaxId(context, id, child)),
  );
}

/** Returns the ID of the customer that the parameter `owner` names; null if the owner is the account itself. */
function ownerOf(context: Context, given: z.output<typeof owner>): string | null {
  if (given === undefined || given.type === "self") return null;
  if (given.type !== "customer")
    throw notImplemented(`The emulator has no tax IDs whose owner has the type ${given.type}.`, "owner[type]");
  if (given.customer === undefined)
    throw new ApiError("Missing required param: owner[customer].", {
      code: "parameter_missing",
      param: "owner[customer]",
    });
  return retrieveCustomer(context, given.customer, "owner[customer]").id;
}

function retrieveOwnTaxId(context: Context, customer: string, id: string): TaxId {
  const row = retrieve(context, "tax_id", id);
  if (row.customer !== retrieveCustomer(context, customer).id) throw resourceMissing("tax_id", id, "id");
  return row;
}

function deleteTaxId(context: Context, row: TaxId): object {
  remove(context, "tax_id", row.id);
  if (row.customer !== null) emit(context, "customer.tax_id.deleted", row);
  return { id: row.id, object: "tax_id", deleted: true };
}
