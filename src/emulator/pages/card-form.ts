/** The card form that the checkout and invoice pages share. */
import { createPaymentMethod } from "../billing/payment-methods.ts";
import { html } from "hono/html";
import { cardByNumber, TEST_CARDS } from "../billing/test-cards.ts";
import { now, type World } from "../core/world.ts";

import type { Markup } from "./layout.ts";

export function cardForm(action: string, button: string, notice: string | null, askEmail = false): Markup {
  return html`<form method="post" action="${action}" data-testid="card-form">
    ${notice ? html`<p class="alert" role="alert" data-testid="notice">${notice}</p>` : ""}
    ${askEmail ? html`<label for="email">Email</label><input id="email" name="email" type="email" required />` : ""}
    <label for="number">Card number</label>
    <input
      id="number"
      name="number"
      inputmode="numeric"
      autocomplete="off"
      placeholder="4242 4242 4242 4242"
      required
      list="test-cards"
      autofocus
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
          autocomplete="off"
          placeholder="12/34"
          value="12/34"
          required
          pattern="\\d\\d ?/ ?\\d\\d"
        />
      </div>
      <div>
        <label for="cvc">CVC</label>
        <input
          id="cvc"
          name="cvc"
          inputmode="numeric"
          autocomplete="off"
          placeholder="123"
          value="123"
          required
          pattern="\\d{3,4}"
        />
      </div>
    </div>
    <button type="submit" data-testid="pay">${button}</button>
    <details>
      <summary>Test cards</summary>
      <table>
        ${TEST_CARDS.map(
          (card) =>
            html`<tr>
              <td><code>${card.number}</code></td>
              <td>${card.label}</td>
            </tr>`,
        )}
      </table>
    </details>
  </form>`;
}

export type CardInput = { kind: "method"; id: string } | { kind: "invalid"; notice: string };

/** Makes a payment method of what was typed in. */
export function readCard(world: World, form: Record<string, unknown>): CardInput {
  const card = cardByNumber(fieldOf(form, "number"));
  if (!card) return { kind: "invalid", notice: "Your card number is not one of the test cards listed below." };
  const expiry = /^(\d\d) ?\/ ?(\d\d)$/.exec(fieldOf(form, "expiry"));
  const month = Number(expiry?.[1]);
  const year = 2000 + Number(expiry?.[2]);
  if (!expiry || month < 1 || month > 12)
    return { kind: "invalid", notice: "Your card's expiration date is incomplete." };
  if (Date.UTC(year, month, 1) / 1000 <= now(world))
    return { kind: "invalid", notice: "Your card's expiration date is in the past." };
  if (!/^\d{3,4}$/.test(fieldOf(form, "cvc")))
    return { kind: "invalid", notice: "Your card's security code is incomplete." };
  return { kind: "method", id: createPaymentMethod(world, card, { month, year }).id };
}

export function fieldOf(form: Record<string, unknown>, name: string): string {
  const value = form[name];
  return typeof value === "string" ? value.trim() : "";
}
