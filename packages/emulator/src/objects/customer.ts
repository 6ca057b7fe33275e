/** Customers. @see https://docs.stripe.com/api/customers/object */
import { now } from "../core/clock.ts";
import { newShortId } from "../core/ids.ts";
import type { ObjectSource } from "../core/object-source.ts";
import { mergeMetadata } from "../core/params.ts";
import { randomText } from "../core/random.ts";
import type { Discount } from "./discount.ts";

export type Customer = ReturnType<typeof newCustomer> & {
  business_name?: string;
  individual_name?: string;
};

type Address = Partial<
  Record<"city" | "country" | "line1" | "line2" | "postal_code" | "state", string | null | undefined>
>;

/** A customer's shipping address. */
interface Shipping {
  address: Address;
  name: string;
  phone?: string | undefined;
}

export interface NewCustomer {
  business_name?: string | null | undefined;
  individual_name?: string | null | undefined;
  email?: string | null | undefined;
  name?: string | null | undefined;
  description?: string | null | undefined;
  phone?: string | null | undefined;
  address?: Address | null | undefined;
  preferred_locales?: string[] | undefined;
  shipping?: Shipping | null | undefined;
  tax_exempt?: "none" | "exempt" | "reverse" | undefined;
  invoice_prefix?: string | undefined;
  invoice_settings?: { footer?: string | null | undefined } | undefined;
  metadata?: "" | Record<string, string> | undefined;
  test_clock?: string | undefined;
}

export function newCustomer(source: ObjectSource, params: NewCustomer) {
  return {
    id: newShortId(source, "cus"),
    object: "customer" as const,
    address: toAddress(params.address ?? null),
    balance: 0,
    ...(params.business_name != null && { business_name: params.business_name }),
    ...(params.individual_name != null && { individual_name: params.individual_name }),
    created: now(source),
    currency: null as string | null,
    customer_account: null,
    default_source: null as string | null,
    delinquent: false as boolean,
    description: params.description ?? null,
    discount: null as Discount | null,
    email: params.email ?? null,
    invoice_prefix: params.invoice_prefix ?? randomText(source.state, 8).toUpperCase(),
    invoice_settings: {
      custom_fields: null,
      default_payment_method: null as string | null,
      footer: params.invoice_settings?.footer ?? null,
      rendering_options: null,
    },
    livemode: false as const,
    metadata: mergeMetadata({}, params.metadata),
    name: params.name ?? null,
    next_invoice_sequence: 1,
    phone: params.phone ?? null,
    preferred_locales: params.preferred_locales ?? [],
    shipping: toShipping(params.shipping ?? null),
    tax_exempt: params.tax_exempt ?? "none",
    test_clock: params.test_clock ?? null,
  };
}

export function toShipping(given: Shipping | null) {
  return given && { address: toAddress(given.address), name: given.name, phone: given.phone ?? null };
}

export function toAddress(given: Address): Record<keyof Address, string | null>;
export function toAddress(given: Address | null): Record<keyof Address, string | null> | null;
export function toAddress(given: Address | null) {
  const { city = null, country = null, line1 = null, line2 = null, postal_code = null, state = null } = given ?? {};
  return given === null ? null : { city, country, line1, line2, postal_code, state };
}
