/**
 * Chooses the rates of automatic tax for a sale, from the table of rates in the tax settings.
 * @see https://docs.stripe.com/tax/how-tax-works
 * @see https://docs.stripe.com/tax/zero-tax
 */
import { createHash } from "node:crypto";
import { now } from "../core/clock.ts";
import { find, insert } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { CompleteTaxSettings } from "../core/tax-settings.ts";
import type { TaxabilityReason } from "../objects/invoice-line.ts";
import { newTaxRate, type TaxRate } from "../objects/tax-rate.ts";
import { countryName, EU, type Place } from "./tax-places.ts";

/** A tax rate that applies to an amount. */
export interface AppliedRate {
  rate: TaxRate;
  /** The percentage with which the tax is computed. The percentage is 0 if the seller collects no tax. */
  percentage: number;
  reason: TaxabilityReason;
}

/** The facts about a customer that change the customer's taxes. */
export interface Taxpayer {
  exempt: "none" | "exempt" | "reverse";
  taxIds: readonly { type: string; value: string }[];
}

export interface TaxedSale {
  place: Place;
  taxpayer: Taxpayer;
  taxCode: string | null;
  inclusive: boolean;
}

type Entry = CompleteTaxSettings["rates"][number];

/** The tax code of products that are not taxed. @see https://docs.stripe.com/tax/tax-codes */
const NONTAXABLE = "txcd_00000000";

/** Returns the rates of automatic tax for a sale. A place that has no entry in the table gets one rate of 0 percent. */
export function automaticRates(context: Context, sale: TaxedSale): AppliedRate[] {
  const { country, rates } = context.state.tax;
  const entries = entriesFor(rates, sale);
  if (entries.length === 0) {
    const entry = { country: sale.place.country, state: sale.place.state ?? undefined, percentage: 0 };
    return [applied(context, sale, entry, "not_collecting")];
  }
  return entries.map((entry) => applied(context, sale, entry, reasonFor(entry, sale, country)));
}

/** Returns the table's entries for a sale: the entries of the most specific place, with the product's tax code if possible. */
function entriesFor(rates: readonly Entry[], { place, taxCode }: Pick<TaxedSale, "place" | "taxCode">): Entry[] {
  const usable = rates.filter((entry) => isIn(entry, place) && (entry.tax_code ?? taxCode) === taxCode);
  const depth = Math.max(0, ...usable.map(depthOf));
  const nearest = usable.filter((entry) => depthOf(entry) === depth);
  const special = nearest.filter((entry) => entry.tax_code !== undefined);
  return special.length > 0 ? special : nearest;
}

/** Returns whether the seller collects tax in a place, for products without a special tax code. */
export function collectsTaxIn(rates: readonly Entry[], place: Place): boolean {
  return entriesFor(rates, { place, taxCode: null }).some(({ registered }) => registered);
}

function isIn(entry: Entry, { country, state, postalCode }: Place): boolean {
  if (entry.country !== country) return false;
  if (entry.state !== undefined && entry.state.toUpperCase() !== state) return false;
  return entry.postal_code === undefined || entry.postal_code.replaceAll(" ", "").toUpperCase() === postalCode;
}

function depthOf({ state, postal_code: postalCode }: Entry): number {
  if (postalCode !== undefined) return 2;
  return state === undefined ? 0 : 1;
}

function reasonFor(entry: Entry, { place, taxpayer, taxCode }: TaxedSale, seller: string): TaxabilityReason {
  if (!entry.registered) return "not_collecting";
  if (taxCode === NONTAXABLE) return "not_subject_to_tax";
  if (taxpayer.exempt === "exempt") return "customer_exempt";
  if (taxpayer.exempt === "reverse" || owesTaxItself(place, taxpayer, seller)) return "reverse_charge";
  if (entry.percentage > 0) return entry.tax_code === undefined ? "standard_rated" : "reduced_rated";
  return entry.tax_code === undefined ? "zero_rated" : "product_exempt";
}

/** The types of tax IDs of businesses that owe the tax on a purchase from another country, by their country. */
const BUSINESS_IDS: Record<string, string> = { AU: "au_abn", GB: "gb_vat", NO: "no_vat" };

/** Returns whether the customer is a business that owes the tax on a purchase from a seller in another country. */
function owesTaxItself({ country }: Place, { taxIds }: Taxpayer, seller: string): boolean {
  if (country === seller) return false;
  const type = EU.has(country) ? "eu_vat" : BUSINESS_IDS[country];
  return taxIds.some((id) => id.type === type && !(type === "eu_vat" && countryOfVat(id.value) === seller));
}

function countryOfVat(value: string): string {
  return value.slice(0, 2).toUpperCase().replace("EL", "GR");
}

/** The reasons with which tax is computed. For all other reasons, the tax is 0. */
const TAXED: ReadonlySet<TaxabilityReason> = new Set(["standard_rated", "reduced_rated"]);

function applied(
  context: Context,
  { inclusive }: TaxedSale,
  entry: Omit<Entry, "registered">,
  reason: TaxabilityReason,
): AppliedRate {
  const percentage = TAXED.has(reason) ? entry.percentage : 0;
  return { rate: rateOf(context, entry, { inclusive, percentage }), percentage, reason };
}

/**
 * Returns the tax rate object of an entry. Stripe Tax creates a tax rate when it first uses it, and the tax rate is not active,
 * so that requests can't use it.
 */
function rateOf(
  context: Context,
  entry: Omit<Entry, "registered">,
  { inclusive, percentage }: { inclusive: boolean; percentage: number },
): TaxRate {
  const type = entry.tax_type ?? taxTypeOf(entry.country);
  const name = entry.display_name ?? nameOf(type);
  const { country, state, postal_code: postalCode } = entry;
  const key = JSON.stringify([country, state, postalCode, type, name, entry.percentage, percentage, inclusive]);
  const id = `txr_1${createHash("sha256").update(key).digest("hex").slice(0, 23)}`;
  const known = find(context, "tax_rate", id);
  if (known) return known;
  const made = newTaxRate(context, {
    active: false,
    country,
    description: `${name} ${postalCode ?? state ?? countryName(country)}`,
    display_name: name,
    inclusive,
    jurisdiction: postalCode ?? state ?? countryName(country),
    percentage: entry.percentage,
    state,
    tax_type: type,
  });
  const level = (["country", "state", "district"] as const)[depthOf(entry as Entry)] ?? "country";
  Object.assign(made, { id, created: now(context), effective_percentage: percentage, jurisdiction_level: level });
  return insert(context, "tax_rate", made);
}

const GST_COUNTRIES: ReadonlySet<string> = new Set(["AU", "CA", "IN", "NZ", "SG"]);

function taxTypeOf(country: string): string {
  if (country === "US") return "sales_tax";
  if (country === "JP") return "jct";
  return GST_COUNTRIES.has(country) ? "gst" : "vat";
}

/** Returns the usual name of a tax type: "Sales Tax", or "VAT" for an abbreviation. */
function nameOf(type: string): string {
  const words = type.split("_");
  if (words.length === 1 && type.length <= 4) return type.toUpperCase();
  return words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join(" ");
}
