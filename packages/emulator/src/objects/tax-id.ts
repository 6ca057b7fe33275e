/** Tax IDs of customers and of the account. @see https://docs.stripe.com/api/tax_ids/object */
import { now } from "../core/clock.ts";
import { newId } from "../core/ids.ts";
import type { ObjectSource } from "../core/object-source.ts";

export type TaxId = ReturnType<typeof newTaxId>;

/**
 * The types of tax IDs that Stripe verifies. In test mode, the last digits of a tax ID decide the result of its
 * verification.
 */
const VERIFIED = new Set(["au_abn", "eu_vat", "gb_vat"]);

const VERDICTS: readonly [string, "verified" | "unverified" | "pending"][] = [
  ["000000000", "verified"],
  ["111111111", "unverified"],
  ["222222222", "pending"],
];

export function newTaxId(
  source: ObjectSource,
  { type, value }: { type: string; value: string },
  customer: string | null,
) {
  const verdict = VERDICTS.find(([ending]) => value.endsWith(ending))?.[1] ?? "verified";
  const country = type === "eu_vat" ? value.slice(0, 2).replace("EL", "GR") : type.slice(0, 2).toUpperCase();
  return {
    id: newId(source, "txi"),
    object: "tax_id" as const,
    country,
    created: now(source),
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
