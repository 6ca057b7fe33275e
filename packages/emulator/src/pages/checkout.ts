/** Serves the checkout page with its order summary, card form and back link. */
import type { Hono } from "hono";
import { html } from "hono/html";
import {
  amountDueNow,
  type CheckoutLine,
  checkoutLines,
  type CheckoutOutcome,
  confirmCheckout,
  confirmWithoutCard,
  orderOf,
  refreshAmounts,
  setAmounts,
  usePromotionCode,
} from "../billing/checkout.ts";
import { fieldProblem } from "../billing/checkout-fields.ts";
import { chooseQuantity, smallestQuantity } from "../billing/checkout-quantities.ts";
import { challengeUrl } from "../billing/next-actions.ts";
import { priceIn } from "../billing/presentment.ts";
import { amountFor } from "../billing/pricing.ts";
import { ApiError } from "../core/errors.ts";
import { formatAmount } from "../core/money.ts";
import type { CheckoutOrder, CollectedDetails } from "../core/records.ts";
import { find } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { Engine } from "../engine.ts";
import { type CheckoutSession, NO_DETAILS } from "../objects/checkout-session.ts";
import { sumTaxes } from "../objects/line-taxes.ts";
import { cardForm, fieldOf, readCard } from "./card-form.ts";
import { addressOf, returnUrl } from "./checkout-address.ts";
import { detailFields, readDetails } from "./checkout-details.ts";
import { readFields, sessionFields, sessionText } from "./checkout-fields.ts";
import { dayText, intervalText, priceText } from "./format.ts";
import { errorPage, layout, type Markup } from "./layout.ts";

const MISSING = "No checkout session has this ID. Restarts and resets of the emulator remove all objects.";

export function checkoutPage(app: Hono, engine: Engine): void {
  app.get("/c/pay/:id", (c) => {
    engine.catchUp();
    const found = hostedSession(engine, c.req.param("id"));
    if (!found) return c.html(errorPage("Checkout not found", MISSING), 404);
    refreshAmounts(found.context, found.session);
    const { title, body } = bodyOf(found.context, found.session);
    return c.html(layout(title, body, found.session.status === "open" ? "wide" : "narrow", found.context));
  });

  app.post("/c/pay/:id/:action{pay|code|start|details|quantity}", async (c) => {
    engine.catchUp();
    const form = await c.req.parseBody();
    const found = hostedSession(engine, c.req.param("id"));
    if (found?.session.status !== "open") return c.redirect(`/c/pay/${c.req.param("id")}`, 303);
    const next = runAction(found.context, found.session, c.req.param("action"), form);
    engine.finish(found.context);
    return c.redirect(next, 303);
  });
}

interface Found {
  context: Context;
  session: CheckoutSession;
}

/** Returns the session that has a page of its own; null for the sessions whose page the app shows in a frame. */
function hostedSession(engine: Engine, id: string): Found | null {
  const found = sessionIn(engine, id);
  return found?.session.client_secret === null ? found : null;
}

export function sessionIn(engine: Engine, id: string): Found | null {
  const context = engine.contextWith(id);
  const session = context && find(context, "checkout.session", id);
  return context && session ? { context, session } : null;
}

/**
 * Runs an action of the checkout page, such as a payment. Returns the URL of the page that the browser shows next. If the action
 * is refused, for example because a coupon has expired since the session's creation, the checkout page shows the error.
 */
export function runAction(
  context: Context,
  session: CheckoutSession,
  action: string,
  form: Record<string, unknown>,
): string {
  const order = orderOf(context, session);
  try {
    if (action === "code") order.notice = usePromotionCode(context, session, fieldOf(form, "code"));
    else if (action === "quantity") order.notice = useQuantity(context, session, order, form);
    else return submit(context, session, action, form);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    order.notice = error.message;
  }
  return addressOf(session);
}

function useQuantity(
  context: Context,
  session: CheckoutSession,
  order: CheckoutOrder,
  form: Record<string, unknown>,
): string | null {
  const chosen = fieldOf(form, "quantity");
  const quantity = chosen === "" ? Number.NaN : Number(chosen);
  return chooseQuantity(context, session, order, { id: fieldOf(form, "item"), quantity });
}

/** Keeps what the customer entered, and then pays, starts without a card, or only updates the total. */
function submit(context: Context, session: CheckoutSession, action: string, form: Record<string, unknown>): string {
  const order = orderOf(context, session);
  const page = addressOf(session);
  const email = fieldOf(form, "email");
  if (needsEmail(session) && email !== "") session.customer_details = { ...NO_DETAILS, email, tax_exempt: "none" };
  order.entered = readFields(session, form);
  const details = readDetails(context, session, order, form);
  const shown = action === "details" ? "" : fieldOf(form, "shown_total");
  order.notice = details === null ? null : applyDetails(context, session, order, { details, shown });
  if (order.notice !== null || action === "details") return page;
  order.notice = emailProblem(session) ?? fieldProblem(session, order);
  if (order.notice !== null) return page;
  if (action === "start") return nextPage(session, confirmWithoutCard(context, session));
  const card = readCard(context, form);
  if (card.kind === "method") return nextPage(session, confirmCheckout(context, session, card.id));
  order.notice = card.notice;
  return page;
}

function emailProblem(session: CheckoutSession): string | null {
  if (!needsEmail(session) || /^[^\s@]+@[^\s@]+$/.test(session.customer_details?.email ?? "")) return null;
  return "Your email is incomplete.";
}

/**
 * Keeps the details that the customer entered, and computes the taxes. Returns an error message if the details are invalid, or
 * if the total differs from the total that the page showed.
 */
function applyDetails(
  context: Context,
  session: CheckoutSession,
  order: CheckoutOrder,
  { details, shown }: { details: CollectedDetails | string; shown: string },
): string | null {
  if (typeof details === "string") return details;
  order.collected = details;
  setAmounts(context, session, order);
  if (shown === "" || Number(shown) === session.amount_total) return null;
  return "The total has changed because of taxes. Check the new total.";
}

function needsEmail(session: CheckoutSession): boolean {
  return session.customer === null && session.customer_email === null;
}

/** Returns the URL of the page to show after a payment attempt. */
export function nextPage(session: CheckoutSession, outcome: CheckoutOutcome): string {
  if (outcome.kind === "complete")
    return session.client_secret === null ? (returnUrl(session) ?? "/") : addressOf(session);
  if (outcome.kind === "challenge") return challengeUrl(outcome.nextAction) ?? addressOf(session);
  return addressOf(session);
}

/** A page of a checkout session without the frame that surrounds each page of the emulator. */
interface Page {
  title: string;
  body: Markup;
}

/** Renders the page of a session: the order with the card form, or a notice if the session is closed. */
export function bodyOf(context: Context, session: CheckoutSession): Page {
  return session.status === "open" ? openPage(context, session) : closedPage(session);
}

function openPage(context: Context, session: CheckoutSession): Page {
  const order = orderOf(context, session);
  const title = titleOf(context, session, order);
  const email = session.customer_details?.email ?? "";
  const form = cardForm({
    details: html`${detailFields(context, session, order)} ${sessionFields(session, order)}`,
    before: sessionText(session, "submit"),
    after: html`${startButton(context, session)} ${sessionText(session, "after_submit")}`,
    action: `${addressOf(session)}/pay`,
    button: buttonOf(session, order),
    notice: order.notice,
    email: needsEmail(session) ? email : null,
    focus: session.client_secret === null,
  });
  return {
    title,
    body: html`<div class="columns">
      <section aria-label="Order">
        ${session.cancel_url ? html`<a class="back" href="${session.cancel_url}" data-testid="back">Back</a>` : ""}
        ${session.mode === "setup" ? html`<h1>${title}</h1>` : orderSummary(context, session, order, title)}
      </section>
      <section class="card" aria-label="Payment">
        <h2>${session.mode === "setup" ? "Card details" : "Pay by card"}</h2>
        ${!needsEmail(session) && email ? html`<p class="soft" data-testid="email">${email}</p>` : ""} ${form}
      </section>
    </div>`,
  };
}

/** Returns the button that completes a session without a card; an empty text if the session needs a card. */
function startButton(context: Context, session: CheckoutSession): Markup | "" {
  if (session.payment_method_collection !== "if_required" || amountDueNow(context, session) !== 0) return "";
  return html`<button
    class="quiet"
    formaction="${addressOf(session)}/start"
    formnovalidate
    data-testid="start-without-card"
  >
    Start without a card
  </button>`;
}

function titleOf(context: Context, session: CheckoutSession, order: CheckoutOrder): string {
  if (session.mode === "setup") return "Save a card";
  const [first, ...more] = checkoutLines(context, session, order);
  const rest = more.length > 0 ? ` and ${more.length} more` : "";
  return `${session.mode === "subscription" ? "Subscribe to" : "Pay for"} ${first?.description ?? "your order"}${rest}`;
}

function buttonOf(session: CheckoutSession, order: CheckoutOrder): string {
  if (session.mode === "setup") return "Save card";
  if (session.mode === "payment") return `Pay ${formatAmount(session.amount_total ?? 0, session.currency ?? "usd")}`;
  return hasTrial(order) ? "Start trial" : "Subscribe";
}

function hasTrial(order: CheckoutOrder): boolean {
  return order.trialDays > 0 || order.trialEnd !== null;
}

function orderSummary(context: Context, session: CheckoutSession, order: CheckoutOrder, title: string): Markup {
  const lines = checkoutLines(context, session, order);
  const money = (amount: number) => formatAmount(amount, session.currency ?? "usd");
  const discount = session.total_details?.amount_discount ?? 0;
  return html`<h1 class="soft">${title}</h1>
    <p class="price" data-testid="price">${hasTrial(order) ? trialText(order) : money(session.amount_total ?? 0)}</p>
    ${session.mode === "subscription" ? html`<p class="soft" data-testid="terms">${recurringText(lines, order)}</p>` : ""}
    ${lines.map(
      (line) =>
        html`<div class="row" data-testid="line">
            <span>${line.quantity > 1 ? `${line.quantity} × ` : ""}${line.description}</span>
            <span>${priceText(line.price, line.quantity, line.currency)}</span>
          </div>
          ${quantityForm(context, session, order, line)}`,
    )}
    ${
      discount > 0
        ? html`<div class="row" data-testid="discount">
            <span>Discount${codeText(context, order)}</span><span>−${money(discount)}</span>
          </div>`
        : ""
    }
    ${taxRows(context, session, lines, money)} ${balanceRow(context, session, money)}
    <div class="row sum">
      <span>Due today</span><span data-testid="due">${money(amountDueNow(context, session))}</span>
    </div>
    ${session.allow_promotion_codes && order.discounts.length === 0 ? codeForm(session) : ""}`;
}

/** Returns the form that changes the quantity of a line; an empty text if the quantity is fixed. */
function quantityForm(
  context: Context,
  session: CheckoutSession,
  order: CheckoutOrder,
  line: CheckoutLine,
): Markup | "" {
  const item = order.items.find(({ id }) => id === line.id);
  if (!item?.adjustable) return "";
  const minimum = smallestQuantity(context, session, order, item);
  return html`<form method="post" action="${addressOf(session)}/quantity" class="code-form">
    <input type="hidden" name="item" value="${item.id}" />
    <label for="${item.id}">Quantity of ${line.description}</label>
    <input
      id="${item.id}"
      name="quantity"
      type="number"
      min="${minimum}"
      max="${item.adjustable.maximum}"
      required
      value="${item.quantity}"
    />
    <button class="quiet" data-testid="change-quantity" aria-label="Change the quantity of ${line.description}">
      Change
    </button>
  </form>`;
}

/** Returns the rows that show the taxes; one row with a reason if automatic tax is not known yet. */
function taxRows(
  context: Context,
  session: CheckoutSession,
  lines: readonly CheckoutLine[],
  money: (amount: number) => string,
): Markup[] {
  if (session.automatic_tax.status === "requires_location_inputs")
    return [html`<div class="row" data-testid="tax"><span>Tax</span><span>Enter your address</span></div>`];
  return sumTaxes(lines).map((tax) => {
    const rate = find(context, "tax_rate", tax.tax_rate_details.tax_rate);
    const name = `${rate?.display_name ?? "Tax"}${tax.tax_behavior === "inclusive" ? " (included)" : ""}`;
    return html`<div class="row" data-testid="tax"><span>${name}</span><span>${money(tax.amount)}</span></div>`;
  });
}

/**
 * Returns the row that shows the customer's credit balance; an empty text if the balance does not change the amount
 * due.
 */
function balanceRow(context: Context, session: CheckoutSession, money: (amount: number) => string): Markup | "" {
  const applied = (session.amount_total ?? 0) - amountDueNow(context, session);
  if (applied === 0) return "";
  return html`<div class="row" data-testid="balance">
    <span>${applied > 0 ? "Applied balance" : "Previous balance"}</span>
    <span>${applied > 0 ? "−" : ""}${money(Math.abs(applied))}</span>
  </div>`;
}

function trialText({ trialDays, trialEnd }: CheckoutOrder): string {
  if (trialEnd !== null) return `Free until ${dayText(trialEnd)}`;
  return trialDays === 1 ? "1 day free" : `${trialDays} days free`;
}

/** Returns the text for the recurring amount: "$9.00 per month", or with a trial "Then $9.00 per month". */
function recurringText(lines: readonly CheckoutLine[], order: CheckoutOrder): string {
  const recurring = lines.filter(({ price }) => price.recurring);
  const [first] = recurring;
  if (!first?.price.recurring) return "";
  const { currency } = first;
  const sum = recurring.reduce(
    (total, { price, quantity }) => total + amountFor(priceIn(price, currency), quantity),
    0,
  );
  const only = recurring.length === 1;
  const text = only
    ? priceText(first.price, first.quantity, currency)
    : `${formatAmount(sum, currency)} ${intervalText(first.price.recurring)}`;
  if (hasTrial(order)) return `Then ${text}`;
  return order.anchor === undefined || order.anchor <= (order.pricedAt ?? 0)
    ? text
    : `From ${dayText(order.anchor)}, ${text}`;
}

function codeText(context: Context, { discounts }: CheckoutOrder): string {
  const code = find(context, "promotion_code", discounts[0]?.promotion_code ?? null);
  return code ? ` (${code.code})` : "";
}

function codeForm(session: CheckoutSession): Markup {
  return html`<form method="post" action="${addressOf(session)}/code" class="code-form">
    <label for="code">Promotion code</label>
    <input id="code" name="code" autocomplete="off" required data-testid="promotion-code" />
    <button class="quiet" data-testid="apply-code">Apply</button>
  </form>`;
}

function closedPage(session: CheckoutSession): Page {
  const complete = session.status === "complete";
  const title = complete ? "This checkout is complete" : "This checkout has expired";
  const text = complete ? "There is nothing more to pay." : "Nothing was charged. Go back to the shop to start again.";
  const link = complete ? returnUrl(session) : session.cancel_url;
  return {
    title,
    body: html`<div class="card" data-testid="closed">
      <h1>${title}</h1>
      <p>${text}</p>
      <a class="button" href="${link ?? "/"}" data-testid="go-on"
        >${link ? (complete ? "Continue" : "Go back") : "Open the emulator"}</a
      >
    </div>`,
  };
}
