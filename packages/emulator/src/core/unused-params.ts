/**
 * Classifies the parameters that Stripe supports and the emulator does not use. The file `schema/unused-params.json` lists
 * them. A check fails if this file lacks a parameter, or lists a parameter that the emulator uses.
 */
import { readFileSync } from "node:fs";
import { ApiError } from "./errors.ts";
import type { FormValue } from "./form-encoding.ts";
import { pathPattern } from "./shapes.ts";

/** The unused parameters of one operation. In the name of a parameter, `[]` stands for any entry of a list. */
export interface UnusedParams {
  /** Parameters that change only texts, appearance, emails or risk data. The emulator ignores them. */
  cosmetic?: string[];
  /** Parameters that change money, time, access, or the data that responses contain. The emulator refuses them with 501. */
  refused?: string[];
}

/** A parameter of a request that the emulator does not use, such as `items[0][plan]`, with its value. */
export interface UnusedParam {
  name: string;
  value: FormValue;
}

/** Values of refused parameters that describe the behavior of the emulator, so that a request may contain them. */
const VALUES_WITHOUT_EFFECT = new Set([
  "adaptive_pricing[enabled]=false",
  "automatic_tax[enabled]=false",
  "billing_mode[flexible][proration_discounts]=included",
  "billing_mode[type]=flexible",
  "invoice_creation[enabled]=false",
  "issuer[type]=self",
  "login_page[enabled]=false",
  "managed_payments[enabled]=false",
  "payment_intent_data[capture_method]=automatic",
  "payment_intent_data[capture_method]=automatic_async",
  "payment_method_options[card][request_three_d_secure]=automatic",
  "payment_settings[payment_method_options][card][request_three_d_secure]=automatic",
  "schedule_details[billing_mode][flexible][proration_discounts]=included",
  "schedule_details[billing_mode][type]=flexible",
  "subscription_data[billing_mode][flexible][proration_discounts]=included",
  "subscription_data[billing_mode][type]=flexible",
  "subscription_details[billing_mode][flexible][proration_discounts]=included",
  "subscription_details[billing_mode][type]=flexible",
  "tax_id_collection[enabled]=false",
  "type=subscription",
]);

let table: Record<string, UnusedParams> | null = null;

/** Returns the unused parameters of all operations. The key of an operation is its method and its path with `:id`. */
export function unusedParams(): Record<string, UnusedParams> {
  table ??= JSON.parse(readFileSync(new URL("../schema/unused-params.json", import.meta.url), "utf8")) as Record<
    string,
    UnusedParams
  >;
  return table;
}

/**
 * Throws the error 501 if one of the parameters is refused. If `strict` is true, cosmetic parameters are refused too. A value
 * that describes the emulator's behavior is accepted, for example `automatic_tax[enabled]=false`.
 */
export function refuseUnused(operation: string, unused: readonly UnusedParam[], strict: boolean): void {
  const { cosmetic = [] } = unusedParams()[pathPattern(operation)] ?? {};
  for (const param of unused) {
    if (cosmetic.includes(patternOf(param.name))) {
      if (strict) throw refusal(param.name, operation, "is cosmetic, and the option `strict` refuses it");
      continue;
    }
    const [refused] = leavesOf(param.name, param.value).filter((leaf) => !isWithoutEffect(leaf));
    if (refused) throw refusal(refused.name, operation, "is not implemented in the emulator");
  }
}

function refusal(param: string, operation: string, reason: string): ApiError {
  return new ApiError(
    `The parameter ${param} of ${operation} ${reason}. Leave the parameter out. FIDELITY.md lists it.`,
    {
      status: 501,
      type: "api_error",
      code: "parameter_not_implemented",
      param,
    },
  );
}

/** Returns the name of a parameter without the positions of list entries: `items[0][plan]` becomes `items[][plan]`. */
export function patternOf(param: string): string {
  return param.replaceAll(/\[\d+\]/g, "[]");
}

/** An empty value removes a setting, and the emulator has no setting of an unused parameter. */
function isWithoutEffect({ name, value }: { name: string; value: string }): boolean {
  return value === "" || VALUES_WITHOUT_EFFECT.has(`${patternOf(name)}=${value}`);
}

function leavesOf(name: string, value: FormValue): { name: string; value: string }[] {
  if (typeof value === "string") return [{ name, value }];
  return Object.entries(value).flatMap(([key, inner]) => leavesOf(`${name}[${key}]`, inner));
}
