/** Checks and creates tax IDs. @see https://docs.stripe.com/billing/customer/tax-ids */
import { ApiError } from "../core/errors.ts";
import { emit } from "../core/events.ts";
import { insert } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { newTaxId, type TaxId } from "../objects/tax-id.ts";
import { EU } from "./tax-places.ts";

/** The format of each type of tax ID. The emulator checks the format of a tax ID only for the types of tax ID in this list. */
const FORMATS: Record<string, RegExp> = {
  au_abn: /^\d{11}$/,
  br_cnpj: /^\d{2}\.?\d{3}\.?\d{3}\/?\d{4}-?\d{2}$/,
  ca_bn: /^\d{9}$/,
  ch_vat: /^CHE-?\d{3}\.?\d{3}\.?\d{3} (MWST|TVA|IVA)$/,
  eu_vat: /^(AT|BE|BG|CY|CZ|DE|DK|EE|EL|ES|FI|FR|HR|HU|IE|IT|LT|LU|LV|MT|NL|PL|PT|RO|SE|SI|SK|XI)[0-9A-Z+*]{2,12}$/,
  gb_vat: /^(GB|XI)(\d{9}|\d{12}|GD\d{3}|HA\d{3})$/,
  us_ein: /^\d{2}-?\d{7}$/,
};

/** The type of the tax IDs that the checkout page collects, by the customer's country. */
const TYPES: Record<string, string> = {
  AU: "au_abn",
  BR: "br_cnpj",
  CA: "ca_bn",
  CH: "ch_vat",
  GB: "gb_vat",
  NO: "no_vat",
  NZ: "nz_gst",
  SG: "sg_gst",
  US: "us_ein",
};

/** Returns the type of the tax IDs in a country; null if the checkout page collects no tax IDs there. */
export function taxIdTypeOf(country: string): string | null {
  return EU.has(country) ? "eu_vat" : (TYPES[country] ?? null);
}

export function checkTaxId({ type, value }: { type: string; value: string }): void {
  if (FORMATS[type]?.test(value) === false)
    throw new ApiError(`Invalid value for ${type}.`, { code: "tax_id_invalid", param: "value" });
}

export function createTaxId(context: Context, customer: string, params: { type: string; value: string }): TaxId {
  checkTaxId(params);
  const row = insert(context, "tax_id", newTaxId(context, params, customer));
  emit(context, "customer.tax_id.created", row);
  return row;
}
