/** Renders and reads the card form of the checkout, invoice and portal pages. */
import { html } from "hono/html";
import { createPaymentMethod } from "../billing/payment-methods.ts";
import { CARD_GROUPS, cardByNumber, hasValidCheckDigit, TEST_CARDS } from "../billing/test-cards.ts";
import { now } from "../core/clock.ts";
import type { Context } from "../core/state.ts";
import { numberText } from "./format.ts";
import { alert, type Markup } from "./layout.ts";

export interface CardForm {
  action: string;
  button: string;
  notice: string | null;
  /** The current value of the email field; null if the form has no email field. */
  email?: string | null;
  /** False for a form in a frame, because browsers refuse the focus there. Default true. */
  focus?: boolean;
  /** More fields of the customer, before the card fields. Default: none. */
  details?: Markup | "";
  /** Texts or buttons after the submit button. Default: none. */
  after?: Markup | "";
  /** A text before the submit button. Default: none. */
  before?: Markup | "";
}

export function cardForm({ action, button, notice, email = null, focus = true, ...more }: CardForm): Markup {
  const { details = "", before = "", after = "" } = more;
  return html`<form method="post" action="${action}" data-testid="card-form">
    ${alert(notice)} ${email === null ? "" : emailField(email)} ${details}
    <label for="number">Card number</label>
    <input
      id="number"
      name="number"
      inputmode="numeric"
      autocomplete="off"
      placeholder="4242 4242 4242 4242"
      required
      list="test-cards"
      ${focus ? "autofocus" : ""}
    />
    <datalist id="test-cards">
      ${TEST_CARDS.map((card) => html`<option value="${card.number}">${card.label}</option>`)}
    </datalist>
    <div class="pair">
      <div>
        <label for="expiry">Expiry (MM/YY)</label>
        <input
          id="expiry"
          name="expiry"
          inputmode="numeric"
          autocomplete="off"
          value="12/34"
          required
          pattern="\\d\\d ?/ ?\\d\\d"
        />
      </div>
      <div>
        <label for="cvc">CVC</label>
        <input id="cvc" name="cvc" inputmode="numeric" autocomplete="off" value="123" required pattern="\\d{3,4}" />
      </div>
    </div>
    ${before}
    <button data-testid="pay">${button}</button>
    ${after} ${testCards()}
  </form>`;
}

function emailField(email: string): Markup {
  return html`<label for="email">Email</label
    ><input id="email" name="email" type="email" autocomplete="off" required value="${email}" />`;
}

/** Returns the table of test cards. Each test card's row has a button that submits the form with that card. */
function testCards(): Markup {
  return html`<details data-testid="test-cards">
    <summary>Test cards</summary>
    <table>
      <thead>
        <tr>
          <th>Number</th>
          <th>What it does</th>
          <th><span class="hidden">Use it</span></th>
        </tr>
      </thead>
      ${CARD_GROUPS.map((group) => [
        html`<tr>
          <th colspan="3" scope="rowgroup">${group}</th>
        </tr>`,
        ...TEST_CARDS.filter((card) => card.group === group).map(
          (card) =>
            html`<tr>
              <td class="nowrap"><code>${numberText(card.number)}</code></td>
              <td>${card.label}</td>
              <td>
                <button
                  class="link"
                  formnovalidate
                  name="test_card"
                  value="${card.number}"
                  aria-label="Use ${numberText(card.number)}"
                  data-testid="use-${card.number}"
                >
                  Use
                </button>
              </td>
            </tr>`,
        ),
      ])}
    </table>
  </details>`;
}

export type CardInput = { kind: "method"; id: string } | { kind: "invalid"; notice: string };

/** Creates a payment method from the card fields of a form, or from the test card that the user chose. */
export function readCard(context: Context, form: Record<string, unknown>): CardInput {
  const card = cardByNumber(fieldOf(form, "test_card") || fieldOf(form, "number"));
  if (!card && !hasValidCheckDigit(fieldOf(form, "number")))
    return { kind: "invalid", notice: "Your card number is invalid." };
  if (!card) return { kind: "invalid", notice: "Your card number is not one of the test cards listed below." };
  const expiry = /^(\d\d) ?\/ ?(\d\d)$/.exec(fieldOf(form, "expiry"));
  const month = Number(expiry?.[1]);
  const year = 2000 + Number(expiry?.[2]);
  if (!expiry || month < 1 || month > 12)
    return { kind: "invalid", notice: "Your card's expiration date is incomplete." };
  if (Date.UTC(year, month, 1) / 1000 <= now(context))
    return { kind: "invalid", notice: "Your card's expiration date is in the past." };
  if (!/^\d{3,4}$/.test(fieldOf(form, "cvc")))
    return { kind: "invalid", notice: "Your card's security code is incomplete." };
  return { kind: "method", id: createPaymentMethod(context, card, { month, year }).id };
}

export function fieldOf(form: Record<string, unknown>, name: string): string {
  const value = form[name];
  return typeof value === "string" ? value.trim() : "";
}
