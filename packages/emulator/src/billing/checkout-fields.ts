/**
 * Checks what a customer entered in the additional fields of a checkout page, and saves it in the completed session.
 * @see https://docs.stripe.com/payments/checkout/custom-fields
 */
import { ApiError } from "../core/errors.ts";
import type { CheckoutOrder, EnteredFields } from "../core/records.ts";
import { type CustomField, valueHolderOf } from "../objects/checkout-fields.ts";
import type { CheckoutSession } from "../objects/checkout-session.ts";

const NOTHING: EnteredFields = { phone: "", terms: false, promotions: false, custom: {} };

/** Returns a message about the first field that is missing or invalid; null if the customer entered all fields. */
export function fieldProblem(session: CheckoutSession, { entered = NOTHING }: CheckoutOrder): string | null {
  const name = nameProblem(session, entered);
  if (name !== null) return name;
  if (session.phone_number_collection.enabled && !/^\+?[\d ().-]{5,20}$/.test(entered.phone))
    return "Your phone number is incomplete.";
  for (const field of session.custom_fields) {
    const problem = problemOf(field, entered.custom[field.key] ?? "");
    if (problem !== null) return problem;
  }
  if (session.consent_collection?.terms_of_service === "required" && !entered.terms)
    return "You must agree to the terms of service.";
  return null;
}

function nameProblem({ name_collection: asked }: CheckoutSession, { names }: EnteredFields): string | null {
  for (const kind of ["business", "individual"] as const) {
    const name = names?.[kind] ?? "";
    const label = NAME_LABELS[kind];
    if (!asked?.[kind]?.enabled) continue;
    if (name === "" && !asked[kind].optional) return `${label} is incomplete.`;
    if (name.length > MAX_NAME) return `${label} can have at most ${MAX_NAME} characters.`;
  }
  return null;
}

export const NAME_LABELS = { business: "Business name", individual: "Full name" };

/** @see https://docs.stripe.com/api/customers/create */
const MAX_NAME = 150;

/** Returns the names that the customer entered. A name for which the session does not ask is null. */
export function enteredNames({ name_collection: asked }: CheckoutSession, { entered = NOTHING }: CheckoutOrder) {
  const name = (kind: "business" | "individual") => (asked?.[kind]?.enabled && entered.names?.[kind]) || null;
  return { business_name: name("business"), individual_name: name("individual") };
}

function problemOf(field: CustomField, value: string): string | null {
  const name = field.label.custom;
  if (value === "") return field.optional ? null : `${name} is incomplete.`;
  if (field.dropdown) {
    return field.dropdown.options.some((option) => option.value === value) ? null : `${name} is invalid.`;
  }
  if (field.numeric && !/^\d+$/.test(value)) return `${name} must contain only digits.`;
  const { minimum_length: least, maximum_length: most } = field.numeric ?? field.text ?? {};
  if (least != null && value.length < least) return `${name} must have at least ${least} characters.`;
  if (value.length > (most ?? MAX_LENGTH)) return `${name} can have at most ${most ?? MAX_LENGTH} characters.`;
  return null;
}

/** @see https://docs.stripe.com/payments/checkout/custom-fields */
const MAX_LENGTH = 255;

/** Throws if the customer has not entered all fields that the session requires. */
export function needFields(session: CheckoutSession, order: CheckoutOrder): void {
  const problem = fieldProblem(session, order);
  if (problem !== null) throw new ApiError(problem, { code: "checkout_incomplete_payment_page" });
}

/** Sets the entered values, the names, the phone number and the consents of a completed session. */
export function saveFields(session: CheckoutSession, order: CheckoutOrder): void {
  const { entered = NOTHING } = order;
  if (session.name_collection) saveNames(session, order);
  for (const field of session.custom_fields) valueHolderOf(field).value = entered.custom[field.key] || null;
  if (session.phone_number_collection.enabled && session.customer_details)
    session.customer_details.phone = entered.phone;
  const asked = session.consent_collection;
  if (!asked) return;
  session.consent = {
    promotions: asked.promotions === "auto" ? (entered.promotions ? "opt_in" : "opt_out") : null,
    terms_of_service: asked.terms_of_service === "required" ? "accepted" : null,
  };
}

function saveNames(session: CheckoutSession, order: CheckoutOrder): void {
  const names = enteredNames(session, order);
  session.collected_information = { ...session.collected_information, ...names };
  if (!session.customer_details) return;
  session.customer_details.individual_name = names.individual_name;
  if (names.business_name !== null) session.customer_details.business_name = names.business_name;
}
