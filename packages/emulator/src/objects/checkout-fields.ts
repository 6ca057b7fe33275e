/**
 * The fields, texts and consents that a checkout session adds to its page.
 * @see https://docs.stripe.com/payments/checkout/custom-fields
 */
type FieldType = "dropdown" | "numeric" | "text";

interface LengthLimits {
  default_value?: string | undefined;
  maximum_length?: number | undefined;
  minimum_length?: number | undefined;
}

/** A custom field in request parameters. */
export interface NewCustomField {
  key: string;
  label: { type: "custom"; custom: string };
  type: FieldType;
  optional?: boolean | undefined;
  dropdown?: { options: { label: string; value: string }[]; default_value?: string | undefined } | undefined;
  numeric?: LengthLimits | undefined;
  text?: LengthLimits | undefined;
}

/** The messages of the checkout page in request parameters. An empty text, parsed as null, removes a message. */
export type NewCustomText = Partial<Record<keyof CustomText, { message: string } | null | undefined>>;

export interface NewConsentCollection {
  payment_method_reuse_agreement?: { position: "auto" | "hidden" } | undefined;
  promotions?: "auto" | "none" | undefined;
  terms_of_service?: "none" | "required" | undefined;
}

interface TypedField {
  default_value: string | null;
  maximum_length: number | null;
  minimum_length: number | null;
  /** The text that the customer entered; null before. */
  value: string | null;
}

export interface CustomField {
  key: string;
  label: { type: "custom"; custom: string };
  optional: boolean;
  type: FieldType;
  dropdown?: { default_value: string | null; options: { label: string; value: string }[]; value: string | null };
  numeric?: TypedField;
  text?: TypedField;
}

export function newCustomField(given: NewCustomField): CustomField {
  const { key, label, type, optional = false } = given;
  if (type === "dropdown") {
    const { options = [], default_value: preset = null } = given.dropdown ?? {};
    return { key, label, optional, type, dropdown: { default_value: preset, options, value: null } };
  }
  const { default_value: preset = null, maximum_length: most = null, minimum_length: least = null } = given[type] ?? {};
  const field = { default_value: preset, maximum_length: most, minimum_length: least, value: null };
  return { key, label, optional, type, [type]: field };
}

export interface CustomText {
  after_submit: { message: string } | null;
  shipping_address: { message: string } | null;
  submit: { message: string } | null;
  terms_of_service_acceptance: { message: string } | null;
}

export function newCustomText(given: NewCustomText = {}): CustomText {
  return {
    after_submit: given.after_submit ?? null,
    shipping_address: given.shipping_address ?? null,
    submit: given.submit ?? null,
    terms_of_service_acceptance: given.terms_of_service_acceptance ?? null,
  };
}

export interface ConsentCollection {
  payment_method_reuse_agreement: { position: "auto" | "hidden" } | null;
  promotions: "auto" | "none" | null;
  terms_of_service: "none" | "required" | null;
}

export interface Consent {
  promotions: "opt_in" | "opt_out" | null;
  terms_of_service: "accepted" | null;
}

export function newConsentCollection(given: NewConsentCollection | undefined): ConsentCollection | null {
  if (!given) return null;
  return {
    payment_method_reuse_agreement: given.payment_method_reuse_agreement ?? null,
    promotions: given.promotions ?? null,
    terms_of_service: given.terms_of_service ?? null,
  };
}

/** The names that a session collects, in request parameters. */
export type NewNameCollection = Partial<
  Record<"business" | "individual", { enabled: boolean; optional?: boolean | undefined } | undefined>
>;

export type NameCollection = Partial<Record<"business" | "individual", { enabled: boolean; optional: boolean }>>;

export function newNameCollection({ business, individual }: NewNameCollection): NameCollection {
  return {
    ...(business && { business: { enabled: business.enabled, optional: business.optional ?? false } }),
    ...(individual && { individual: { enabled: individual.enabled, optional: individual.optional ?? false } }),
  };
}

/** Returns the part of a custom field that holds its value. */
export function valueHolderOf(field: CustomField): { default_value: string | null; value: string | null } {
  const holder = field[field.type];
  if (!holder) throw new Error(`the custom field ${field.key} has no ${field.type}`);
  return holder;
}
