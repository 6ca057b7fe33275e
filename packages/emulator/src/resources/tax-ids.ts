/** Tax ids of customers, and of the account. @see https://docs.stripe.com/api/tax_ids */
import { z } from "zod";
import type { Api } from "../api.ts";
import { needCustomer } from "../billing/customers.ts";
import { ApiError, missing } from "../core/errors.ts";
import { emit } from "../core/events.ts";
import { page } from "../core/lists.ts";
import { expand, listParams, text } from "../core/params.ts";
import { newId } from "../core/ids.ts";
import { all, insert, need, now, of, remove, type World } from "../core/world.ts";

export type TaxId = ReturnType<typeof newTaxId>;

const CreateParams = z.strictObject({ type: text, value: text, expand });
const Nothing = z.strictObject({ expand });

/** What ids of these kinds look like; those of other kinds are taken as they are. @see https://docs.stripe.com/billing/customer/tax-ids */
const FORMATS: Record<string, RegExp> = {
  au_abn: /^\d{11}$/,
  br_cnpj: /^\d{2}\.?\d{3}\.?\d{3}\/?\d{4}-?\d{2}$/,
  ca_bn: /^\d{9}$/,
  ch_vat: /^CHE-?\d{3}\.?\d{3}\.?\d{3} (MWST|TVA|IVA)$/,
  eu_vat: /^(AT|BE|BG|CY|CZ|DE|DK|EE|EL|ES|FI|FR|HR|HU|IE|IT|LT|LU|LV|MT|NL|PL|PT|RO|SE|SI|SK|XI)[0-9A-Z+*]{2,12}$/,
  gb_vat: /^(GB|XI)(\d{9}|\d{12}|GD\d{3}|HA\d{3})$/,
  us_ein: /^\d{2}-?\d{7}$/,
};
/** Kinds that are checked with the tax office; these endings decide how that goes. */
const VERIFIED = new Set(["au_abn", "eu_vat", "gb_vat"]);
const VERDICTS: readonly [string, "verified" | "unverified" | "pending"][] = [
  ["000000000", "verified"],
  ["111111111", "unverified"],
  ["222222222", "pending"],
];

export function taxIdRoutes(api: Api): void {
  api.post("/v1/tax_ids", CreateParams, (world, params) => insert(world, "tax_id", newTaxId(world, params, null)));
  api.get("/v1/tax_ids", z.strictObject(listParams), (world, params) =>
    page(
      world,
      all(world, "tax_id", ({ customer }) => customer === null),
      params,
      "/v1/tax_ids",
    ),
  );
  api.get("/v1/tax_ids/:id", Nothing, (world, _params, id) => need(world, "tax_id", id));
  api.delete("/v1/tax_ids/:id", z.strictObject({}), (world, _params, id) =>
    deleteTaxId(world, need(world, "tax_id", id)),
  );

  const path = "/v1/customers/:id/tax_ids";
  api.post(path, CreateParams, (world, params, id) => {
    return createTaxId(world, needCustomer(world, id).id, params);
  });
  api.get(path, z.strictObject(listParams), (world, params, id) =>
    page(world, of(world, "tax_id", "customer", needCustomer(world, id).id), params, path.replace(":id", id)),
  );
  api.get(`${path}/:child`, Nothing, (world, _params, id, child) => ownTaxId(world, id, child));
  api.delete(`${path}/:child`, z.strictObject({}), (world, _params, id, child) =>
    deleteTaxId(world, ownTaxId(world, id, child)),
  );
}

export function createTaxId(world: World, customer: string, params: { type: string; value: string }): TaxId {
  const row = insert(world, "tax_id", newTaxId(world, params, customer));
  emit(world, "customer.tax_id.created", row);
  return row;
}

function ownTaxId(world: World, customer: string, id: string): TaxId {
  const row = need(world, "tax_id", id);
  if (row.customer !== needCustomer(world, customer).id) throw missing("tax_id", id, "id");
  return row;
}

function deleteTaxId(world: World, row: TaxId): object {
  remove(world, "tax_id", row.id);
  if (row.customer !== null) emit(world, "customer.tax_id.deleted", row);
  return { id: row.id, object: "tax_id", deleted: true };
}

export function checkTaxId({ type, value }: { type: string; value: string }): void {
  if (FORMATS[type]?.test(value) === false)
    throw new ApiError(`Invalid value for ${type}.`, { code: "tax_id_invalid", param: "value" });
}

function newTaxId(world: World, { type, value }: { type: string; value: string }, customer: string | null) {
  checkTaxId({ type, value });
  const verdict = VERDICTS.find(([ending]) => value.endsWith(ending))?.[1] ?? "verified";
  const country = type === "eu_vat" ? value.slice(0, 2).replace("EL", "GR") : type.slice(0, 2).toUpperCase();
  return {
    id: newId(world, "txi"),
    object: "tax_id" as const,
    country,
    created: now(world),
    customer,
    customer_account: null,
    livemode: false as const,
    owner:
      customer === null
        ? { customer_account: null, type: "self" }
        : { customer, customer_account: null, type: "customer" },
    type,
    value,
    verification:
      customer === null
        ? null
        : {
            status: VERIFIED.has(type) ? verdict : "unavailable",
            verified_address: null,
            verified_name: null,
          },
  };
}
