/** Renders the forms of the customer portal: cancel, update, confirm, pause and card. */
import { html } from "hono/html";
import { nextPeriodEnd } from "../billing/subscription-periods.ts";
import { retrieve } from "../core/rows.ts";
import type { Subscription } from "../objects/subscription.ts";
import { cardForm } from "./card-form.ts";
import { cardText, dayText, expiryText, priceText } from "./format.ts";
import { alert, type Markup } from "./layout.ts";
import { isPausable, MAX_COMMENT } from "./portal-actions.ts";
import { widestRange } from "./portal-rules.ts";
import {
  addressOf,
  isAllowed,
  isChangeable,
  isEnding,
  methodsOf,
  nameOf,
  offeredPrices,
  returnAddress,
  subscriptionsOf,
  type Visit,
} from "./portal-visit.ts";

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

/**
 * Returns the cancel page; null if the portal's configuration does not allow cancellation. Each function that returns a portal
 * page returns null if the portal's configuration does not allow the page.
 */
export function cancelPage(visit: Visit, subscription: Subscription): Markup | null {
  const { enabled, mode, cancellation_reason: reasons } = visit.features.subscription_cancel;
  if (!enabled || isEnding(subscription)) return null;
  const atEnd = mode === "at_period_end";
  const end = dayText(nextPeriodEnd(subscription));
  return html`<section class="card">
    <h1>Cancel ${nameOf(visit, subscription)}</h1>
    <p data-testid="what-happens">
      ${atEnd ? `You keep access until ${end}, and are not charged again.` : "It ends at once, and you are not charged again."}
    </p>
    <form method="post" action="/p/session/${visit.session.id}/cancel">
      ${hidden(subscription)} ${reasons.enabled ? reasonFields(reasons.options ?? []) : ""}
      <button class="danger" data-testid="cancel">${atEnd ? `Cancel on ${end}` : "Cancel now"}</button>
    </form>
  </section>`;
}

function reasonFields(options: readonly string[]): Markup {
  return html`<label for="reason">Why do you cancel? (optional)</label>
    <select id="reason" name="reason">
      <option value="">No answer</option>
      ${options.map((value) => html`<option value="${value}">${REASONS[value] ?? value}</option>`)}
    </select>
    <label for="comment">Anything else? (optional)</label>
    <textarea id="comment" name="comment" rows="3" maxlength="${MAX_COMMENT}"></textarea>`;
}

export function updatePage(visit: Visit, subscription: Subscription, notice: string | null): Markup | null {
  const [item] = subscription.items.data;
  if (!item || !isChangeable(visit, subscription)) return null;
  return html`<section class="card">
    <h1>Change ${nameOf(visit, subscription)}</h1>
    ${alert(notice)}
    <form method="get" action="${addressOf(visit, "preview")}">
      ${hidden(subscription)} ${isAllowed(visit, "price") ? planField(visit, subscription, item.price.id) : ""}
      ${quantityField(visit, subscription, item.quantity ?? 1)} ${isAllowed(visit, "promotion_code") ? CODE_FIELD : ""}
      <button data-testid="preview">See what it costs</button>
    </form>
  </section>`;
}

const CODE_FIELD = html`<label for="code">Promotion code (optional)</label>
  <input id="code" name="code" autocomplete="off" />`;

function quantityField(visit: Visit, subscription: Subscription, current: number): Markup | "" {
  const products = isAllowed(visit, "price")
    ? offeredPrices(visit, subscription)
    : subscription.items.data.map(({ price }) => price);
  const range = widestRange(
    visit.features.subscription_update,
    products.map(({ product }) => product),
  );
  if (!range) return "";
  return html`<label for="quantity">Quantity</label>
    <input
      id="quantity"
      name="quantity"
      type="number"
      min="${Math.min(range.minimum, current)}"
      max="${Math.max(range.maximum, current)}"
      required
      value="${current}"
    />`;
}

function planField(visit: Visit, subscription: Subscription, current: string): Markup {
  return html`<label for="price">Plan</label>
    <select id="price" name="price">
      ${offeredPrices(visit, subscription).map((price) => {
        const { name } = retrieve(visit.context, "product", price.product);
        const text = `${name}, ${priceText(price, 1, subscription.currency)}${price.id === current ? " (your plan)" : ""}`;
        return html`<option value="${price.id}" ${price.id === current ? "selected" : ""}>${text}</option>`;
      })}
    </select>`;
}

export function pausePage(visit: Visit, subscription: Subscription): Markup | null {
  const { enabled, duration } = visit.features.subscription_pause;
  if (!enabled || isEnding(subscription) || !isPausable(subscription)) return null;
  const options = duration.type === "interval_options" ? duration.interval_options : [];
  return html`<section class="card">
    <h1>Pause ${nameOf(visit, subscription)}</h1>
    <p>${options.length > 0 ? "While it is paused" : "Until you resume it"}, you have no access and are not charged.</p>
    <form method="post" action="/p/session/${visit.session.id}/pause">
      ${hidden(subscription)}
      ${
        options.length > 0
          ? html`<label for="duration">For how long?</label>
              <select id="duration" name="duration">
                ${options.map(
                  ({ interval, interval_count: count }, at) =>
                    html`<option value="${at}">${count} ${interval}${count === 1 ? "" : "s"}</option>`,
                )}
              </select>`
          : ""
      }
      <button data-testid="pause">Pause subscription</button>
    </form>
  </section>`;
}

export function cardPage(visit: Visit, notice: string | null): Markup | null {
  if (!visit.features.payment_method_update.enabled) return null;
  return html`<section class="card">
    <h1>Add a card</h1>
    <p class="soft">Your next invoices will be charged to this card.</p>
    ${cardForm({ action: `/p/session/${visit.session.id}/card`, button: "Save card", notice })}
  </section>`;
}

/** Returns the page that asks before the customer's only card is removed. */
export function removePage(visit: Visit, id: string): Markup | null {
  const method = methodsOf(visit).find((row) => row.id === id);
  if (!visit.features.payment_method_update.enabled || !method) return null;
  const renewing = subscriptionsOf(visit).filter((row) => !isEnding(row));
  return html`<section class="card">
    <h1>Remove your only card?</h1>
    <p>${cardText(method)}, expires ${expiryText(method)}</p>
    ${renewing.map(
      (row) =>
        html`<p data-testid="consequence">
          Without a card, ${nameOf(visit, row)} can't be charged on ${dayText(nextPeriodEnd(row))}.
        </p>`,
    )}
    <form method="post" action="/p/session/${visit.session.id}/method">
      <input type="hidden" name="method" value="${method.id}" />
      <input type="hidden" name="confirmed" value="yes" />
      <button class="danger" name="what" value="remove" data-testid="remove">Remove card</button>
    </form>
    <a class="button quiet" href="${addressOf(visit, "home")}" data-testid="keep">Keep card</a>
  </section>`;
}

export function donePage(visit: Visit): Markup {
  const out = returnAddress(visit);
  const message = visit.session.flow?.after_completion.hosted_confirmation?.custom_message;
  return html`<section class="card" data-testid="done">
    <h1>Done</h1>
    <p data-testid="message">${message ?? "Your change is made."}</p>
    ${out ? html`<a class="button" href="${out}">Return</a>` : ""}
  </section>`;
}

function hidden(subscription: Subscription): Markup {
  return html`<input type="hidden" name="subscription" value="${subscription.id}" />`;
}
