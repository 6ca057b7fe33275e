/** The customer portal: subscriptions, cards and invoices, as its configuration allows. */
import { isOver, nextPeriodEnd } from "../billing/subscription-periods.ts";
import type { Hono } from "hono";
import { html } from "hono/html";
import { createPortalActions, offeredPrices } from "./portal-actions.ts";
import { formatDay } from "../billing/prorations.ts";
import { type Subscription } from "../billing/subscriptions.ts";
import { formatAmount } from "../core/money.ts";
import { all, find, need, of, type World } from "../core/world.ts";
import type { Engine } from "../engine.ts";
import { configurationOf, type PortalConfiguration, type PortalSession } from "../resources/portal-sessions.ts";
import type { Price } from "../resources/prices.ts";
import { cardForm } from "./card-form.ts";
import { layout, notFound, type Markup } from "./layout.ts";

const REASONS: Record<string, string> = {
  too_expensive: "It is too expensive",
  missing_features: "I need features it lacks",
  unused: "I do not use it enough",
  switched_service: "I found something else",
  too_complex: "It is hard to use",
  low_quality: "The quality was less than expected",
  customer_service: "The service was less than expected",
  other: "Something else",
};

export function portalPage(app: Hono, engine: Engine): void {
  app.get("/p/session/:id", (c) => {
    engine.catchUp();
    const world = engine.worldWith(c.req.param("id"));
    const session = world && find(world, "billing_portal.session", c.req.param("id"));
    if (!world || !session) return c.html(notFound("There is no such portal session"), 404);
    const confirmation = confirmationOf(session);
    if (confirmation !== null && c.req.query("notice") === undefined) return c.redirect(confirmation, 303);
    return c.html(layout("Billing", portal(world, session, c.req.query("notice") ?? null)));
  });
  createPortalActions(app, engine);
}

/** Where a session leads that was made to confirm one change. */
function confirmationOf({ id, flow }: PortalSession): string | null {
  const confirm = flow?.type === "subscription_update_confirm" ? flow.subscription_update_confirm : null;
  const [item] = confirm?.items ?? [];
  if (!confirm || !item) return null;
  const { price, quantity } = item;
  const query = new URLSearchParams({
    subscription: confirm.subscription,
    ...(price !== null && { price }),
    ...(quantity !== undefined && { quantity: String(quantity) }),
  });
  return `/p/session/${id}/preview?${query.toString()}`;
}

function portal(world: World, session: PortalSession, notice: string | null): Markup {
  const configuration = configurationOf(world, session);
  const subscriptions = of(world, "subscription", "customer", session.customer).filter((row) => !isOver(row));
  const { features } = configuration;
  return html`${session.return_url ? html`<a href="${session.return_url}" data-testid="return">← Return</a>` : ""}
    <h1>Your subscriptions</h1>
    ${notice ? html`<p class="alert" role="alert" data-testid="notice">${notice}</p>` : ""}
    ${subscriptions.length === 0 ? html`<p>You have no subscription.</p>` : ""}
    ${subscriptions.map((subscription) => subscriptionCard(world, session, configuration, subscription))}
    ${features.payment_method_update.enabled ? cards(world, session) : ""}
    ${features.invoice_history.enabled ? invoices(world, session) : ""}`;
}

function subscriptionCard(
  world: World,
  session: PortalSession,
  { features }: PortalConfiguration,
  subscription: Subscription,
): Markup {
  const [item] = subscription.items.data;
  const name = item ? need(world, "product", item.price.product).name : "Subscription";
  const quantity = item?.quantity ?? 1;
  const price = item ? `${quantity > 1 ? `${quantity} × ` : ""}${priceText(item.price)}` : "";
  const end = formatDay(subscription.cancel_at ?? nextPeriodEnd(subscription));
  const ending = subscription.cancel_at !== null || subscription.cancel_at_period_end;
  const canceling = ending
    ? resumeForm(session, subscription)
    : cancelForm(session, features.subscription_cancel, subscription, end);
  return html`<section class="card" data-testid="subscription">
    <h2>${name}</h2>
    <p class="soft">${price} · ${subscription.status}</p>
    <p data-testid="state">${ending ? `Ends on ${end}` : `Renews on ${end}`}</p>
    ${features.subscription_update.enabled && !ending ? changeForm(world, session, features.subscription_update, subscription) : ""}
    ${features.subscription_cancel.enabled ? canceling : ""}
  </section>`;
}

function priceText({ unit_amount: amount, currency, recurring }: Price): string {
  return `${formatAmount(amount ?? 0, currency)} per ${recurring?.interval ?? "month"}`;
}

function hidden(subscription: Subscription): Markup {
  return html`<input type="hidden" name="subscription" value="${subscription.id}" />`;
}

function resumeForm(session: PortalSession, subscription: Subscription): Markup {
  return html`<form method="post" action="/p/session/${session.id}/resume">
    ${hidden(subscription)}
    <button data-testid="resume">Don't cancel</button>
  </form>`;
}

function cancelForm(
  session: PortalSession,
  { mode, cancellation_reason: reasons }: PortalConfiguration["features"]["subscription_cancel"],
  subscription: Subscription,
  end: string,
): Markup {
  const atEnd = mode === "at_period_end";
  return html`<details ${session.flow?.type === "subscription_cancel" ? "open" : ""}>
    <summary data-testid="cancel-open">Cancel subscription</summary>
    <form method="post" action="/p/session/${session.id}/cancel">
      ${hidden(subscription)}
      <p>${atEnd ? `You keep access until ${end}.` : "It ends at once."}</p>
      ${
        reasons.enabled
          ? html`<label for="reason">Why do you cancel? (optional)</label>
              <select id="reason" name="reason">
                <option value="">No answer</option>
                ${reasons.options.map((value) => html`<option value="${value}">${REASONS[value] ?? value}</option>`)}
              </select>
              <label for="comment">Anything else? (optional)</label>
              <textarea id="comment" name="comment" rows="2" maxlength="500"></textarea>`
          : ""
      }
      <button class="danger" data-testid="cancel">${atEnd ? "Cancel at the period's end" : "Cancel now"}</button>
    </form>
  </details>`;
}

function changeForm(
  world: World,
  session: PortalSession,
  update: PortalConfiguration["features"]["subscription_update"],
  subscription: Subscription,
): Markup {
  const [item] = subscription.items.data;
  const prices = offeredPrices(world, update, subscription);
  const allows = (what: "price" | "quantity") => update.default_allowed_updates.includes(what);
  if (!item || (!allows("price") && !allows("quantity"))) return html``;
  return html`<details ${session.flow?.type === "subscription_update" ? "open" : ""}>
    <summary data-testid="change-open">Change plan</summary>
    <form method="get" action="/p/session/${session.id}/preview">
      ${hidden(subscription)}
      ${
        allows("price")
          ? html`<label for="price">Plan</label>
              <select id="price" name="price">
                ${prices.map(
                  (price) =>
                    html`<option value="${price.id}" ${price.id === item.price.id ? "selected" : ""}>
                      ${need(world, "product", price.product).name}, ${priceText(price)}
                    </option>`,
                )}
              </select>`
          : ""
      }
      ${
        allows("quantity")
          ? html`<label for="quantity">Quantity</label>
              <input id="quantity" name="quantity" type="number" min="1" max="999" value="${item.quantity ?? 1}" />`
          : ""
      }
      <button class="quiet" data-testid="preview">See what it costs</button>
    </form>
  </details>`;
}

function cards(world: World, session: PortalSession): Markup {
  const customer = find(world, "customer", session.customer);
  const methods = all(world, "payment_method").filter((row) => row.customer === session.customer);
  const chosen = customer?.invoice_settings.default_payment_method;
  return html`<section class="card" data-testid="payment-methods">
    <h2>Payment methods</h2>
    ${methods.map(
      (method) =>
        html`<form method="post" action="/p/session/${session.id}/method" class="row">
          <span
            >${method.card.brand} •••• ${method.card.last4}
            ${method.id === chosen ? html`<strong>default</strong>` : ""}</span
          >
          <span class="inline">
            <input type="hidden" name="method" value="${method.id}" />
            ${method.id === chosen ? "" : html`<button class="quiet" name="what" value="default">Make default</button>`}
            <button class="quiet" name="what" value="remove">Remove</button>
          </span>
        </form>`,
    )}
    <details ${session.flow?.type === "payment_method_update" ? "open" : ""}>
      <summary data-testid="add-card-open">Add a card</summary>
      ${cardForm(`/p/session/${session.id}/card`, "Save card", null)}
    </details>
  </section>`;
}

function invoices(world: World, session: PortalSession): Markup {
  const rows = of(world, "invoice", "customer", session.customer).filter(({ status }) => status !== "draft");
  return html`<section class="card" data-testid="invoices">
    <h2>Invoices</h2>
    ${rows.toReversed().map(
      (row) =>
        html`<div class="row">
          <a href="${row.hosted_invoice_url ?? "#"}">${row.number ?? row.id}</a>
          <span>${formatDay(row.created)}</span><span>${formatAmount(row.total, row.currency)}</span
          ><span>${row.status}</span>
        </div>`,
    )}
  </section>`;
}
