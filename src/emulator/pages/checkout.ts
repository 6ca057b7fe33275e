/** The checkout page: what is bought, the card form, and the way back. */
import type { Hono } from "hono";
import { html } from "hono/html";
import {
  checkoutLines,
  confirmCheckout,
  confirmWithoutCard,
  orderOf,
  usePromotionCode,
  type CheckoutOutcome,
  type Order,
} from "../billing/checkout.ts";
import { formatAmount } from "../core/money.ts";
import { find, type World } from "../core/world.ts";
import type { Engine } from "../engine.ts";
import type { CheckoutSession } from "../resources/checkout-sessions.ts";
import { cardForm, fieldOf, readCard } from "./card-form.ts";
import { layout, notFound, type Markup } from "./layout.ts";

export function checkoutPage(app: Hono, engine: Engine): void {
  app.get("/c/pay/:id", (c) => {
    engine.catchUp();
    const found = sessionIn(engine, c.req.param("id"));
    if (!found) return c.html(notFound("There is no such checkout"), 404);
    return c.html(found.session.status === "open" ? openPage(found.world, found.session) : closedPage(found.session));
  });

  app.post("/c/pay/:id/:action{pay|code|start}", async (c) => {
    engine.catchUp();
    const form = await c.req.parseBody();
    const found = sessionIn(engine, c.req.param("id"));
    if (found?.session.status !== "open") return c.redirect(`/c/pay/${c.req.param("id")}`, 303);
    const next = act(found.world, found.session, c.req.param("action"), form);
    engine.changed();
    void engine.deliverDue();
    return c.redirect(next, 303);
  });
}

function sessionIn(engine: Engine, id: string): { world: World; session: CheckoutSession } | null {
  const world = engine.worldWith(id);
  const session = world && find(world, "checkout.session", id);
  return world && session ? { world, session } : null;
}

/** Answers the page to show next. */
function act(world: World, session: CheckoutSession, action: string, form: Record<string, unknown>): string {
  const order = orderOf(world, session);
  if (action === "code") {
    order.notice = usePromotionCode(world, session, fieldOf(form, "code"));
    return `/c/pay/${session.id}`;
  }
  if (action === "start") return nextPage(session, confirmWithoutCard(world, session));
  const email = fieldOf(form, "email");
  if (session.customer === null && email !== "") session.customer_details = { ...guest(email) };
  const card = readCard(world, form);
  if (card.kind === "method") return nextPage(session, confirmCheckout(world, session, card.id));
  order.notice = card.notice;
  return `/c/pay/${session.id}`;
}

function guest(email: string) {
  const nothing = { address: null, business_name: null, individual_name: null, phone: null, tax_ids: null };
  return { ...nothing, email, name: null, tax_exempt: "none" };
}

/** Where the person goes after an attempt. */
export function nextPage(session: CheckoutSession, outcome: CheckoutOutcome): string {
  if (outcome.kind === "complete") return returnUrl(session);
  if (outcome.kind === "challenge") return outcome.nextAction?.redirect_to_url.url ?? `/c/pay/${session.id}`;
  return `/c/pay/${session.id}`;
}

function returnUrl(session: CheckoutSession): string {
  return (session.success_url ?? "/").replaceAll("{CHECKOUT_SESSION_ID}", session.id);
}

function openPage(world: World, session: CheckoutSession): Markup {
  const order = orderOf(world, session);
  const title = titleOf(world, session, order);
  return layout(
    title,
    html`<div class="columns">
      <section aria-label="Order">
        ${session.cancel_url ? html`<a href="${session.cancel_url}" data-testid="back">← Back</a>` : ""}
        ${session.mode === "setup" ? html`<h1>${title}</h1>` : orderSummary(world, session, order, title)}
      </section>
      <section class="card" aria-label="Payment">
        <h1>Pay by card</h1>
        ${session.customer_details?.email ? html`<p class="soft">${session.customer_details.email}</p>` : ""}
        ${cardForm(`/c/pay/${session.id}/pay`, buttonOf(session, order), order.notice, session.customer === null && !session.customer_details?.email)}
        ${
          session.payment_method_collection === "if_required" && session.amount_total === 0
            ? html`<form method="post" action="/c/pay/${session.id}/start">
                <button class="quiet" data-testid="start-without-card">Start without a card</button>
              </form>`
            : ""
        }
      </section>
    </div>`,
  );
}

function titleOf(world: World, session: CheckoutSession, order: Order): string {
  if (session.mode === "setup") return "Save a card";
  const [first] = checkoutLines(world, session, order);
  return `${session.mode === "subscription" ? "Subscribe to" : "Pay for"} ${first?.description ?? "your order"}`;
}

function buttonOf(session: CheckoutSession, order: Order): string {
  if (session.mode === "setup") return "Save card";
  if (session.mode === "payment") return "Pay";
  return hasTrial(order) ? "Start trial" : "Subscribe";
}

function hasTrial(order: Order): boolean {
  return order.trialDays > 0 || order.trialEnd !== null;
}

function orderSummary(world: World, session: CheckoutSession, order: Order, title: string): Markup {
  const lines = checkoutLines(world, session, order);
  const currency = session.currency ?? "usd";
  const money = (amount: number) => formatAmount(amount, currency);
  const prices = lines.map(({ price, quantity }) => ({
    amount: money((price.unit_amount ?? 0) * quantity),
    interval: price.recurring?.interval ?? null,
  }));
  const [first] = prices;
  const trial = order.trialDays > 0 ? `${order.trialDays} days free, then ` : "";
  const discount = session.total_details?.amount_discount ?? 0;
  return html`<p class="soft">${title}</p>
    <p class="price" data-testid="price">${first?.amount}</p>
    ${first?.interval ? html`<p class="soft">${trial}${first.amount} per ${first.interval}</p>` : ""}
    ${lines.map(
      (line, at) =>
        html`<div class="row">
          <span>${line.quantity > 1 ? `${line.quantity} × ` : ""}${line.description}</span
          ><span>${prices[at]?.amount}</span>
        </div>`,
    )}
    ${discount > 0 ? html`<div class="row" data-testid="discount"><span>Discount</span><span>−${money(discount)}</span></div>` : ""}
    <div class="row">
      <strong>Due today</strong><strong data-testid="due">${money(session.amount_total ?? 0)}</strong>
    </div>
    ${session.allow_promotion_codes && discount === 0 ? codeForm(session) : ""}`;
}

function codeForm(session: CheckoutSession): Markup {
  return html`<form method="post" action="/c/pay/${session.id}/code" class="inline">
    <label for="code">Promotion code</label>
    <input id="code" name="code" autocomplete="off" data-testid="promotion-code" />
    <button class="quiet" data-testid="apply-code">Apply</button>
  </form>`;
}

function closedPage(session: CheckoutSession): Markup {
  const complete = session.status === "complete";
  const title = complete ? "This checkout is complete" : "This checkout has expired";
  const text = complete ? "There is nothing more to pay." : "Go back and start again.";
  const link = complete ? returnUrl(session) : session.cancel_url;
  return layout(
    title,
    html`<div class="card" data-testid="closed">
      <h1>${title}</h1>
      <p>${text}</p>
      ${link ? html`<a class="button" href="${link}">Go on</a>` : ""}
    </div>`,
  );
}
