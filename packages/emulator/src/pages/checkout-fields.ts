/** Renders and reads the additional fields of the checkout page: phone number, custom fields and consents. */
import { html } from "hono/html";
import { NAME_LABELS } from "../billing/checkout-fields.ts";
import type { CheckoutOrder, EnteredFields } from "../core/records.ts";
import { type CustomField, valueHolderOf } from "../objects/checkout-fields.ts";
import type { CheckoutSession } from "../objects/checkout-session.ts";
import { fieldOf } from "./card-form.ts";
import type { Markup } from "./layout.ts";

/** Returns the additional fields of a session; an empty text if the session has none. */
export function sessionFields(session: CheckoutSession, { entered }: CheckoutOrder): Markup | "" {
  const { consent_collection: consents, custom_fields: fields, phone_number_collection: phone } = session;
  return html`${nameField(session, "business", entered)} ${nameField(session, "individual", entered)}
  ${phone.enabled ? phoneField(entered?.phone ?? "") : ""}
  ${fields.map((field) => customField(field, entered?.custom[field.key]))}
  ${consents?.promotions === "auto" ? checkBox("promotions", "Send me offers and news", entered?.promotions) : ""}
  ${consents?.terms_of_service === "required" ? checkBox("terms", termsText(session), entered?.terms) : ""}`;
}

function nameField(
  { name_collection: asked }: CheckoutSession,
  kind: "business" | "individual",
  entered: EnteredFields | undefined,
): Markup | "" {
  const field = asked?.[kind];
  if (!field?.enabled) return "";
  const id = `${kind}_name`;
  return html`<label for="${id}">${NAME_LABELS[kind]}${field.optional ? " (optional)" : ""}</label>
    <input
      id="${id}"
      name="${id}"
      autocomplete="off"
      ${field.optional ? "" : "required"}
      value="${entered?.names?.[kind] ?? ""}"
    />`;
}

function termsText({ custom_text: texts }: CheckoutSession): string {
  return texts.terms_of_service_acceptance?.message ?? "I agree to the terms of service";
}

function phoneField(value: string): Markup {
  return html`<label for="phone">Phone number</label>
    <input id="phone" name="phone" type="tel" autocomplete="off" required value="${value}" />`;
}

function customField(field: CustomField, entered: string | undefined): Markup {
  const id = idOf(field);
  const value = entered ?? valueHolderOf(field).default_value ?? "";
  const required = field.optional ? "" : "required";
  const label = html`<label for="${id}">${field.label.custom}${field.optional ? " (optional)" : ""}</label>`;
  if (field.dropdown)
    return html`${label}<select id="${id}" name="${id}" ${required}>
        <option value="">Choose</option>
        ${field.dropdown.options.map(
          (option) =>
            html`<option value="${option.value}" ${option.value === value ? "selected" : ""}>${option.label}</option>`,
        )}
      </select>`;
  const mode = field.type === "numeric" ? "numeric" : "text";
  return html`${label}<input
      id="${id}"
      name="${id}"
      inputmode="${mode}"
      autocomplete="off"
      ${required}
      value="${value}"
    />`;
}

function idOf(field: CustomField): string {
  return `custom_${field.key}`;
}

function checkBox(name: string, text: string, checked = false): Markup {
  return html`<label class="check"
    ><input name="${name}" type="checkbox" value="yes" ${checked ? "checked" : ""} />${text}</label
  >`;
}

/** Returns the message that the session shows beside its button or after it; an empty text if it has none. */
export function sessionText({ custom_text: texts }: CheckoutSession, place: "after_submit" | "submit"): Markup | "" {
  const message = texts[place]?.message;
  return message === undefined ? "" : html`<p class="soft" data-testid="text-${place}">${message}</p>`;
}

/** Reads what the customer entered in the additional fields. */
export function readFields(session: CheckoutSession, form: Record<string, unknown>): EnteredFields {
  return {
    names: { business: fieldOf(form, "business_name"), individual: fieldOf(form, "individual_name") },
    phone: fieldOf(form, "phone"),
    terms: fieldOf(form, "terms") === "yes",
    promotions: fieldOf(form, "promotions") === "yes",
    custom: Object.fromEntries(session.custom_fields.map((field) => [field.key, fieldOf(form, idOf(field))])),
  };
}
