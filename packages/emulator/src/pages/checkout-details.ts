/** Renders and reads the fields of the checkout page for name, billing address and tax ID. */
import { html } from "hono/html";
import { asksForAddress } from "../billing/checkout-taxes.ts";
import { checkTaxId, taxIdTypeOf } from "../billing/tax-ids.ts";
import { placeOf } from "../billing/tax-places.ts";
import { ApiError } from "../core/errors.ts";
import type { CheckoutOrder, CollectedDetails } from "../core/records.ts";
import { find } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { CheckoutSession } from "../objects/checkout-session.ts";
import { fieldOf } from "./card-form.ts";
import { addressOf } from "./checkout-address.ts";
import type { Markup } from "./layout.ts";

/** Returns the fields for name, billing address and tax ID; an empty text if the session does not ask for them. */
export function detailFields(context: Context, session: CheckoutSession, order: CheckoutOrder): Markup | "" {
  if (!asksForAddress(context, session, order)) return "";
  const customer = find(context, "customer", session.customer);
  const address = order.collected?.address ?? customer?.address;
  const whole = session.billing_address_collection === "required";
  return html`${textField("name", "Name", order.collected?.name ?? customer?.name)}
    <label for="country">Country</label>
    <select id="country" name="country" required>
      <option value="">Choose a country</option>
      ${countries().map(
        ([code, name]) => html`<option value="${code}" ${code === address?.country ? "selected" : ""}>${name}</option>`,
      )}
    </select>
    ${whole ? html`${textField("line1", "Address", address?.line1)} ${textField("city", "City", address?.city)}` : ""}
    <div class="pair">
      <div>${textField("postal_code", "Postal code", address?.postal_code, false)}</div>
      <div>${textField("state", "State or province", address?.state, false)}</div>
    </div>
    ${session.tax_id_collection.enabled ? textField("tax_id", "Tax ID", order.collected?.taxId?.value, false) : ""}
    <input type="hidden" name="shown_total" value="${session.amount_total ?? 0}" />
    <button class="quiet" formaction="${addressOf(session)}/details" formnovalidate data-testid="update-details">
      Update the total
    </button>`;
}

function textField(name: string, label: string, value: string | null | undefined, required = true): Markup {
  return html`<label for="${name}">${label}</label>
    <input id="${name}" name="${name}" autocomplete="off" value="${value ?? ""}" ${required ? "required" : ""} />`;
}

let known: [code: string, name: string][] | null = null;

/** Returns the codes and English names of all countries, sorted by name. */
function countries(): [code: string, name: string][] {
  const letters = "A B C D E F G H I J K L M N O P Q R S T U V W X Y Z".split(" ");
  const names = new Intl.DisplayNames("en", { type: "region", fallback: "none" });
  const codes = letters
    .flatMap((first) => letters.map((second) => first + second))
    .filter((code) => !NO_COUNTRY.has(code));
  known ??= codes
    .flatMap((code): [string, string][] => {
      const name = names.of(code);
      return name === undefined ? [] : [[code, name]];
    })
    .toSorted(([, one], [, other]) => one.localeCompare(other));
  return known;
}

/** Codes with a name that are no countries, such as "European Union" and "Unknown Region". */
const NO_COUNTRY: ReadonlySet<string> = new Set("EU EZ QO UN XA XB ZZ".split(" "));

/**
 * Reads the details that the customer entered. Returns an error message if details are missing or invalid; otherwise the details,
 * or null if the session does not ask for them.
 */
export function readDetails(
  context: Context,
  session: CheckoutSession,
  order: CheckoutOrder,
  form: Record<string, unknown>,
): CollectedDetails | string | null {
  if (!asksForAddress(context, session, order)) return null;
  const field = (name: string) => fieldOf(form, name) || null;
  const address = {
    city: field("city"),
    country: field("country"),
    line1: field("line1"),
    line2: null,
    postal_code: field("postal_code"),
    state: field("state"),
  };
  const whole = session.billing_address_collection === "required";
  if (!field("name")) return "Your name is incomplete.";
  if (!placeOf(address) || (whole && !(address.line1 && address.city))) return "Your address is incomplete.";
  const taxId = taxIdFrom(session, address.country ?? "", field("tax_id"));
  return typeof taxId === "string" ? taxId : { name: field("name"), address, taxId };
}

/** Returns the entered tax ID, null if there is none, or an error message. */
function taxIdFrom(
  session: CheckoutSession,
  country: string,
  value: string | null,
): CollectedDetails["taxId"] | string {
  const { enabled, required } = session.tax_id_collection;
  const type = enabled ? taxIdTypeOf(country) : null;
  if (type === null) return null;
  if (value === null) return required === "if_supported" ? "Your tax ID is required." : null;
  try {
    checkTaxId({ type, value });
  } catch (error) {
    if (error instanceof ApiError) return "Your tax ID is invalid.";
    throw error;
  }
  return { type, value };
}
