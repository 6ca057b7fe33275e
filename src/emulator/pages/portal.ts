/** The customer portal: see subscriptions, cancel them at the period's end, and take that back. */
import type { Hono } from "hono";
import { html } from "hono/html";
import { formatAmount } from "../billing/invoices.ts";
import { cancelAt, isOver, nextPeriodEnd, undoCancellation, type Subscription } from "../billing/subscriptions.ts";
import { all, find, need, type World } from "../core/world.ts";
import type { Engine } from "../engine.ts";
import { fieldOf } from "./card-form.ts";
import { layout, type Markup } from "./layout.ts";

const REASONS = [
  ["too_expensive", "It is too expensive"],
  ["missing_features", "I need features it lacks"],
  ["unused", "I do not use it enough"],
  ["switched_service", "I found something else"],
  ["too_complex", "It is hard to use"],
  ["low_quality", "The quality was less than expected"],
  ["customer_service", "The service was less than expected"],
  ["other", "Something else"],
] as const;

export function portalPage(app: Hono, engine: Engine): void {
  const { world } = engine;
  app.get("/p/session/:id", (c) => {
    engine.catchUp();
    const session = find(world, "billing_portal.session", c.req.param("id"));
    if (!session)
      return c.html(layout("Not found", html`<div class="card"><h1>There is no such portal session</h1></div>`), 404);
    const subscriptions = all(world, "subscription").filter((row) => row.customer === session.customer && !isOver(row));
    return c.html(
      layout(
        "Billing",
        html`${session.return_url ? html`<a href="${session.return_url}" data-testid="return">← Return</a>` : ""}
          <h1>Your subscriptions</h1>
          ${subscriptions.length === 0 ? html`<p>You have no subscription.</p>` : ""}
          ${subscriptions.map((subscription) => subscriptionCard(world, session.id, subscription))}`,
      ),
    );
  });

  app.post("/p/session/:id/:action{cancel|resume}", async (c) => {
    engine.catchUp();
    const session = find(world, "billing_portal.session", c.req.param("id"));
    const form = await c.req.parseBody();
    const subscription = find(world, "subscription", fieldOf(form, "subscription"));
    if (session && subscription?.customer === session.customer && !isOver(subscription)) {
      if (c.req.param("action") === "resume") undoCancellation(world, subscription);
      else {
        const details = { feedback: fieldOf(form, "reason") || null, comment: fieldOf(form, "comment") || null };
        cancelAt(world, subscription, nextPeriodEnd(subscription), details);
      }
      engine.changed();
      void engine.deliverDue();
    }
    return c.redirect(`/p/session/${c.req.param("id")}`, 303);
  });
}

function subscriptionCard(world: World, sessionId: string, subscription: Subscription): Markup {
  const [item] = subscription.items.data;
  const name = item ? need(world, "product", item.price.product).name : "Subscription";
  const price = item
    ? `${formatAmount(item.price.unit_amount ?? 0, item.price.currency)} per ${item.price.recurring?.interval ?? "month"}`
    : "";
  const end = new Date(nextPeriodEnd(subscription) * 1000).toUTCString().slice(5, 16);
  const ending = subscription.cancel_at !== null || subscription.cancel_at_period_end;
  return html`<section class="card" data-testid="subscription">
    <h2>${name}</h2>
    <p class="soft">${price}</p>
    <p data-testid="state">${ending ? `Ends on ${end}` : `Renews on ${end}`}</p>
    ${ending ? resumeForm(sessionId, subscription) : cancelForm(sessionId, subscription, end)}
  </section>`;
}

function resumeForm(sessionId: string, subscription: Subscription): Markup {
  return html`<form method="post" action="/p/session/${sessionId}/resume">
    <input type="hidden" name="subscription" value="${subscription.id}" />
    <button data-testid="resume">Don't cancel</button>
  </form>`;
}

function cancelForm(sessionId: string, subscription: Subscription, end: string): Markup {
  return html`<details>
    <summary data-testid="cancel-open">Cancel subscription</summary>
    <form method="post" action="/p/session/${sessionId}/cancel">
      <input type="hidden" name="subscription" value="${subscription.id}" />
      <p>You keep access until ${end}.</p>
      <label for="reason">Why do you cancel? (optional)</label>
      <select id="reason" name="reason">
        <option value="">No answer</option>
        ${REASONS.map(([value, label]) => html`<option value="${value}">${label}</option>`)}
      </select>
      <label for="comment">Anything else? (optional)</label>
      <textarea id="comment" name="comment" rows="2" maxlength="500"></textarea>
      <button class="danger" data-testid="cancel">Cancel at the period's end</button>
    </form>
  </details>`;
}
