/** The checkout page: what is bought, the card form, and the way back. */
import type { Hono } from "hono";
import { html } from "hono/html";
import { confirmCheckout, orderOf, type CheckoutOutcome } from "../billing/checkout.ts";
import { formatAmount } from "../billing/invoices.ts";
import { find, need, type World } from "../core/world.ts";
import type { Engine } from "../engine.ts";
import type { CheckoutSession } from "../resources/checkout-sessions.ts";
import { cardForm, readCard } from "./card-form.ts";
import { layout, type Markup } from "./layout.ts";

export function checkoutPage(app: Hono, engine: Engine): void {
  const { world } = engine;
  app.get("/c/pay/:id", (c) => {
    engine.catchUp();
    const session = find(world, "checkout.session", c.req.param("id"));
    if (!session)
      return c.html(layout("Not found", html`<div class="card"><h1>There is no such checkout</h1></div>`), 404);
    return c.html(session.status === "open" ? openPage(world, session) : closedPage(session));
  });

  app.post("/c/pay/:id", async (c) => {
    engine.catchUp();
    const session = find(world, "checkout.session", c.req.param("id"));
    if (session?.status !== "open") return c.redirect(`/c/pay/${c.req.param("id")}`, 303);
    const card = readCard(world, await c.req.parseBody());
    let next = `/c/pay/${session.id}`;
    if (card.kind === "invalid") orderOf(world, session).notice = card.notice;
    else next = nextPage(session, confirmCheckout(world, session, card.id));
    engine.changed();
    void engine.deliverDue();
    return c.redirect(next, 303);
  });
}

/** Where the person goes after an attempt. */
export function nextPage(session: CheckoutSession, outcome: CheckoutOutcome): string {
  if (outcome.kind === "complete") return returnUrl(session);
  if (outcome.kind === "challenge") return outcome.nextAction?.redirect_to_url.url ?? `/c/pay/${session.id}`;
  return `/c/pay/${session.id}`;
}

function returnUrl(session: CheckoutSession): string {
  return session.success_url.replaceAll("{CHECKOUT_SESSION_ID}", session.id);
}

function openPage(world: World, session: CheckoutSession): Markup {
  const order = orderOf(world, session);
  const lines = order.items.map((item) => {
    const price = need(world, "price", item.price);
    const amount = (price.unit_amount ?? 0) * item.quantity;
    return {
      name: need(world, "product", price.product).name,
      amount: formatAmount(amount, price.currency),
      interval: price.recurring?.interval ?? "month",
    };
  });
  const [first] = lines;
  const trial = order.trialDays > 0 ? `${order.trialDays} days free, then ` : "";
  const due = formatAmount(session.amount_total, session.currency);
  return layout(
    `Subscribe to ${first?.name ?? "your plan"}`,
    html`<div class="columns">
      <section aria-label="Order">
        ${session.cancel_url ? html`<a href="${session.cancel_url}" data-testid="back">← Back</a>` : ""}
        <p class="soft">Subscribe to ${first?.name}</p>
        <p class="price" data-testid="price">${first?.amount}</p>
        <p class="soft">${trial}${first?.amount} per ${first?.interval}</p>
        ${lines.map((line) => html`<div class="row"><span>${line.name}</span><span>${line.amount}</span></div>`)}
        <div class="row"><strong>Due today</strong><strong data-testid="due">${due}</strong></div>
      </section>
      <section class="card" aria-label="Payment">
        <h1>Pay by card</h1>
        ${session.customer_details.email ? html`<p class="soft">${session.customer_details.email}</p>` : ""}
        ${cardForm(`/c/pay/${session.id}`, order.trialDays > 0 ? "Start trial" : "Subscribe", order.notice)}
      </section>
    </div>`,
  );
}

function closedPage(session: CheckoutSession): Markup {
  const complete = session.status === "complete";
  const title = complete ? "This checkout is complete" : "This checkout has expired";
  const text = complete ? "You are subscribed; there is nothing more to pay." : "Go back and start again.";
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
