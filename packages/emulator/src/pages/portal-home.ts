/** Renders the portal's home page with subscriptions, payment methods and invoices. */
import { html } from "hono/html";
import { nextPhaseOf } from "../billing/scheduled-changes.ts";
import { nextPeriodEnd } from "../billing/subscription-periods.ts";
import { cardForSubscription } from "../billing/subscription-update.ts";
import { formatAmount } from "../core/money.ts";
import { find, listBy, retrieve } from "../core/rows.ts";
import type { Subscription } from "../objects/subscription.ts";
import { cardText, dayText, expiryText, priceText, statusText } from "./format.ts";
import { alert, type Markup } from "./layout.ts";
import { isPausable } from "./portal-actions.ts";
import { addressOf, isChangeable, isEnding, methodsOf, nameOf, subscriptionsOf, type Visit } from "./portal-visit.ts";

/** The maximum number of invoices on the portal's home page. */
const SHOWN_INVOICES = 100;

export function homePage(visit: Visit, notice: string | null): Markup {
  const subscriptions = subscriptionsOf(visit);
  return html`<h1>Your subscriptions</h1>
    ${alert(notice)}
    ${subscriptions.length === 0 ? html`<p class="card" data-testid="no-subscription">You have no subscription.</p>` : ""}
    ${subscriptions.map((subscription) => subscriptionCard(visit, subscription))}
    ${visit.features.payment_method_update.enabled ? methods(visit) : ""}
    ${visit.features.invoice_history.enabled ? invoices(visit) : ""}`;
}

const TONES: Record<string, string> = { active: "good", trialing: "good", past_due: "bad", unpaid: "bad" };

function subscriptionCard(visit: Visit, subscription: Subscription): Markup {
  const { context } = visit;
  const card = find(context, "payment_method", cardForSubscription(context, subscription));
  const { items } = subscription;
  return html`<section class="card" data-testid="subscription">
    <h2>${nameOf(visit, subscription)}</h2>
    <p>
      <span class="badge ${TONES[subscription.status] ?? ""}" data-testid="status"
        >${statusText(subscription.status)}</span
      >
      <span data-testid="state">${stateText(subscription)}</span>
    </p>
    ${items.data.map(
      ({ price, quantity = 1 }) =>
        html`<div class="row">
          <span>${quantity > 1 ? `${quantity} × ` : ""}${retrieve(context, "product", price.product).name}</span>
          <span data-testid="item-price">${priceText(price, quantity, subscription.currency)}</span>
        </div>`,
    )}
    ${scheduledChange(visit, subscription)} ${card ? html`<p class="soft">Paid with ${cardText(card)}</p>` : ""}
    <div class="inline">${actionsOf(visit, subscription)}</div>
  </section>`;
}

/** Returns the next change that a schedule makes to a subscription; an empty text if there is none. */
function scheduledChange({ context }: Visit, subscription: Subscription): Markup | "" {
  const phase = nextPhaseOf(context, subscription);
  if (!phase || isEnding(subscription)) return "";
  return html`<div data-testid="scheduled-change">
    <p class="soft">From ${dayText(phase.start_date)}:</p>
    ${phase.items.map(({ price: id, quantity = 1 }) => {
      const price = retrieve(context, "price", id);
      return html`<div class="row">
        <span>${quantity > 1 ? `${quantity} × ` : ""}${retrieve(context, "product", price.product).name}</span>
        <span>${priceText(price, quantity, subscription.currency)}</span>
      </div>`;
    })}
  </div>`;
}

function stateText(subscription: Subscription): string {
  const periodEnd = nextPeriodEnd(subscription);
  if (isEnding(subscription)) return `Ends on ${dayText(subscription.cancel_at ?? periodEnd)}`;
  if (subscription.status === "paused") return "Nothing is charged until you resume it";
  if (subscription.status === "incomplete") return "Waits for its first payment";
  if (subscription.pending_update) return "Waits for the payment of your change";
  if (subscription.status === "trialing") return `Free until ${dayText(periodEnd)}, then it renews`;
  return `Renews on ${dayText(periodEnd)}`;
}

function actionsOf(visit: Visit, subscription: Subscription): Markup[] {
  const { subscription_cancel: cancel, subscription_pause: pausing } = visit.features;
  const ending = isEnding(subscription);
  const to = (page: "cancel" | "update" | "pause") => addressOf(visit, page, { subscription: subscription.id });
  const actions: Markup[] = [];
  if (ending && cancel.enabled) actions.push(resumeForm(visit, subscription, "Don't cancel"));
  if (!ending && pausing.enabled && subscription.status === "paused")
    actions.push(resumeForm(visit, subscription, "Resume subscription"));
  if (isChangeable(visit, subscription))
    actions.push(html`<a class="button quiet" href="${to("update")}" data-testid="change-open">Change plan</a>`);
  if (!ending && pausing.enabled && isPausable(subscription))
    actions.push(html`<a class="button quiet" href="${to("pause")}" data-testid="pause-open">Pause subscription</a>`);
  if (!ending && cancel.enabled)
    actions.push(
      html`<a class="button quiet" href="${to("cancel")}" data-testid="cancel-open">Cancel subscription</a>`,
    );
  return actions;
}

function resumeForm({ session }: Visit, subscription: Subscription, button: string): Markup {
  return html`<form method="post" action="/p/session/${session.id}/resume">
    <input type="hidden" name="subscription" value="${subscription.id}" />
    <button data-testid="resume">${button}</button>
  </form>`;
}

function methods(visit: Visit): Markup {
  const { context, session } = visit;
  const rows = methodsOf(visit);
  const chosen = find(context, "customer", session.customer)?.invoice_settings.default_payment_method;
  return html`<section class="card" data-testid="payment-methods">
    <h2>Payment methods</h2>
    ${rows.length === 0 ? html`<p class="soft">No cards yet.</p>` : ""}
    ${rows.map((method) => {
      const name = `${cardText(method)}, expires ${expiryText(method)}`;
      return html`<form
        method="post"
        action="/p/session/${session.id}/method"
        class="row wrap"
        data-testid="payment-method"
      >
        <span
          >${name}
          ${method.id === chosen ? html`<span class="badge good" data-testid="default">Default</span>` : ""}</span
        >
        <span class="inline">
          <input type="hidden" name="method" value="${method.id}" />
          ${
            method.id === chosen
              ? ""
              : html`<button class="link" name="what" value="default" aria-label="Make default: ${name}">
                  Make default
                </button>`
          }
          <button class="link" name="what" value="remove" aria-label="Remove ${name}">Remove</button>
        </span>
      </form>`;
    })}
    <div class="inline">
      <a class="button quiet" href="${addressOf(visit, "card")}" data-testid="add-card-open">Add a card</a>
    </div>
  </section>`;
}

const INVOICE_TONES: Record<string, string> = { paid: "good", open: "bad", uncollectible: "bad" };

function invoices({ context, session }: Visit): Markup {
  const rows = listBy(context, "invoice", { customer: session.customer }, ({ status }) => status !== "draft");
  return html`<section class="card" data-testid="invoices">
    <h2>Invoices</h2>
    ${rows.length === 0 ? html`<p class="soft">No invoices yet.</p>` : ""}
    ${rows
      .slice(-SHOWN_INVOICES)
      .toReversed()
      .map(
        (row) =>
          html`<div class="row" data-testid="invoice-row">
            <span>
              <a href="/i/${row.id}">${row.number ?? row.id}</a>
              <span class="soft">${dayText(row.created)}</span>
            </span>
            <span>
              ${formatAmount(row.total, row.currency)}
              <span class="badge ${INVOICE_TONES[row.status] ?? ""}">${statusText(row.status)}</span>
            </span>
          </div>`,
      )}
    ${rows.length > SHOWN_INVOICES ? html`<p class="soft">The newest ${SHOWN_INVOICES} of ${rows.length}.</p>` : ""}
  </section>`;
}
