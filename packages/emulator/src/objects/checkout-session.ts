/** Checkout sessions. @see https://docs.stripe.com/api/checkout/sessions/object */
import { now } from "../core/clock.ts";
import { newToken } from "../core/ids.ts";
import type { ObjectSource } from "../core/object-source.ts";
import { mergeMetadata } from "../core/params.ts";
import { invoiceTax } from "./automatic-tax.ts";
import {
  type Consent,
  type NewConsentCollection,
  type NewCustomField,
  type NameCollection,
  type NewCustomText,
  type NewNameCollection,
  newConsentCollection,
  newCustomField,
  newCustomText,
  newNameCollection,
} from "./checkout-fields.ts";
import type { Customer } from "./customer.ts";

export type CheckoutSession = ReturnType<typeof newCheckoutSession>;

export const SESSION_LIFETIME_SECONDS = 24 * 3_600;

type Mode = "payment" | "setup" | "subscription";

/** Parameters of a new checkout session. */
export interface NewCheckoutSession {
  mode?: Mode | undefined;
  ui_mode?: string | undefined;
  redirect_on_completion?: string | undefined;
  customer_email?: string | undefined;
  customer_creation?: "always" | "if_required" | undefined;
  client_reference_id?: string | undefined;
  consent_collection?: NewConsentCollection | undefined;
  custom_fields?: NewCustomField[] | undefined;
  custom_text?: NewCustomText | undefined;
  name_collection?: NewNameCollection | undefined;
  phone_number_collection?: { enabled: boolean } | undefined;
  currency?: string | undefined;
  success_url?: string | undefined;
  return_url?: string | undefined;
  cancel_url?: string | undefined;
  expires_at?: number | undefined;
  after_expiration?: NewAfterExpiration | undefined;
  allow_promotion_codes?: boolean | undefined;
  automatic_tax?: { enabled: boolean } | undefined;
  billing_address_collection?: "auto" | "required" | undefined;
  tax_id_collection?: { enabled: boolean; required?: "if_supported" | "never" | undefined } | undefined;
  payment_method_collection?: "always" | "if_required" | undefined;
  locale?: string | undefined;
  metadata?: "" | Record<string, string> | undefined;
}

export function newCheckoutSession(source: ObjectSource, params: NewCheckoutSession, customer: Customer | null) {
  const at = now(source);
  const id = newToken(source, "cs_test", 58);
  const mode = params.mode ?? "payment";
  return {
    id,
    object: "checkout.session" as const,
    adaptive_pricing: { enabled: false },
    after_expiration: newAfterExpiration(params.after_expiration),
    allowed_payment_method_types: null as string[] | null,
    allow_promotion_codes: params.allow_promotion_codes ?? null,
    amount_subtotal: null as number | null,
    amount_total: null as number | null,
    ...taxFields(params),
    branding_settings: { ...BRANDING, display_name: source.state.sellerName },
    cancel_url: params.cancel_url ?? null,
    client_reference_id: params.client_reference_id ?? null,
    collected_information: {
      business_name: null as string | null,
      individual_name: null as string | null,
      shipping_details: null,
    },
    consent: null as Consent | null,
    consent_collection: newConsentCollection(params.consent_collection),
    created: at,
    currency: mode === "setup" ? (params.currency ?? null) : "usd",
    currency_conversion: null,
    custom_fields: (params.custom_fields ?? []).map(newCustomField),
    custom_text: newCustomText(params.custom_text),
    ...customerFields(params, customer, mode),
    ...nameFields(params),
    discounts: (mode === "setup" ? null : []) as { coupon: string | null; promotion_code: string | null }[] | null,
    expires_at: params.expires_at ?? at + SESSION_LIFETIME_SECONDS,
    integration_identifier: null,
    invoice: null as string | null,
    invoice_creation: mode === "payment" ? NO_INVOICE : null,
    livemode: false as const,
    locale: params.locale ?? null,
    managed_payments: null,
    metadata: mergeMetadata({}, params.metadata),
    mode,
    origin_context: null,
    ...paymentFields(params, mode),
    permissions: null,
    phone_number_collection: { enabled: params.phone_number_collection?.enabled ?? false },
    recovered_from: null as string | null,
    saved_payment_method_options: customer && mode !== "setup" ? SAVED_METHOD_OPTIONS : null,
    setup_intent: null as string | null,
    shipping_address_collection: null,
    shipping_cost: null,
    shipping_options: [],
    status: "open" as "open" | "complete" | "expired",
    submit_type: null,
    subscription: null as string | null,
    total_details: null as { amount_discount: number; amount_shipping: number; amount_tax: number } | null,
    ...uiFields(source, id, params),
    wallet_options: null,
  };
}

/** Settings of the recovery of an expired session, in request parameters. */
interface NewAfterExpiration {
  recovery?: { enabled: boolean; allow_promotion_codes?: boolean | undefined } | undefined;
}

export interface AfterExpiration {
  recovery: {
    allow_promotion_codes: boolean;
    enabled: boolean;
    expires_at: number | null;
    url: string | null;
  } | null;
}

function newAfterExpiration(given: NewAfterExpiration | undefined): AfterExpiration | null {
  if (!given) return null;
  const { enabled, allow_promotion_codes: codes = false } = given.recovery ?? {};
  if (enabled === undefined) return { recovery: null };
  return { recovery: { allow_promotion_codes: codes, enabled, expires_at: null, url: null } };
}

interface UiFields {
  client_secret: string | null;
  redirect_on_completion?: string;
  return_url?: string;
  success_url: string | null;
  ui_mode: string;
  url: string | null;
}

/** Returns the fields that depend on `ui_mode`. Only a hosted page has a URL, and only the other modes have a client secret. */
function uiFields(source: ObjectSource, id: string, params: NewCheckoutSession): UiFields {
  const { ui_mode: mode = "hosted_page", redirect_on_completion: redirect = "always", return_url: back } = params;
  if (mode === "hosted_page")
    return {
      client_secret: null,
      success_url: params.success_url ?? null,
      ui_mode: mode,
      url: `${source.baseUrl}/c/pay/${id}`,
    };
  return {
    client_secret: newToken(source, `${id}_secret`, 40),
    ...(mode === "embedded_page" && { redirect_on_completion: redirect }),
    ...(back !== undefined && { return_url: back }),
    success_url: null,
    ui_mode: mode,
    url: null,
  };
}

function customerFields(params: NewCheckoutSession, customer: Customer | null, mode: Mode) {
  const email = customer?.email ?? params.customer_email ?? null;
  const isKnown = customer !== null || Boolean(params.customer_email);
  return {
    customer: customer?.id ?? null,
    customer_account: null,
    customer_creation: customer ? null : (params.customer_creation ?? (mode === "payment" ? "if_required" : "always")),
    customer_details: (isKnown
      ? {
          ...NO_DETAILS,
          email,
          tax_exempt: mode === "setup" ? null : "none",
        }
      : null) as CustomerDetails | null,
    customer_email: params.customer_email ?? null,
  };
}

/** Returns the field of the collected names. Sessions without the parameter lack it. */
function nameFields({ name_collection: names }: NewCheckoutSession): { name_collection?: NameCollection } {
  return names ? { name_collection: newNameCollection(names) } : {};
}

function taxFields({ automatic_tax: tax, tax_id_collection: taxId, ...params }: NewCheckoutSession) {
  const { enabled, liability, provider, status } = invoiceTax(tax?.enabled ?? false);
  return {
    automatic_tax: { enabled, liability, provider, status },
    billing_address_collection: params.billing_address_collection ?? null,
    tax_id_collection: { enabled: taxId?.enabled ?? false, required: taxId?.required ?? ("never" as const) },
  };
}

/** The details of a customer before the customer completes the session. */
export const NO_DETAILS = {
  address: null,
  business_name: null,
  individual_name: null,
  name: null,
  phone: null,
  tax_ids: null,
};

export interface CustomerDetails {
  address: Record<"city" | "country" | "line1" | "line2" | "postal_code" | "state", string | null> | null;
  business_name: string | null;
  email: string | null;
  individual_name: string | null;
  name: string | null;
  phone: string | null;
  tax_exempt: "none" | "exempt" | "reverse" | null;
  tax_ids: { type: string; value: string }[] | null;
}

function paymentFields(params: NewCheckoutSession, mode: Mode) {
  return {
    payment_intent: null as string | null,
    payment_link: null,
    payment_method_collection: params.payment_method_collection ?? (mode === "payment" ? "if_required" : "always"),
    payment_method_configuration_details: null,
    payment_method_options: { card: { request_three_d_secure: "automatic" } },
    payment_method_types: ["card"],
    payment_status: "unpaid" as "unpaid" | "paid" | "no_payment_required",
  };
}

const SAVED_METHOD_OPTIONS = {
  allow_redisplay_filters: ["always"],
  payment_method_remove: "disabled",
  payment_method_save: null,
};
const BRANDING = {
  background_color: "#ffffff",
  border_style: "rounded",
  button_color: "#0074d4",
  font_family: "default",
  icon: null,
  logo: null,
};

const NO_INVOICE = {
  enabled: false,
  invoice_data: {
    account_tax_ids: null,
    custom_fields: null,
    description: null,
    footer: null,
    issuer: null,
    metadata: {},
    rendering_options: null,
  },
};
