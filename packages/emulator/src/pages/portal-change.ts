/** A change of plan or quantity in the portal: what is wanted, what it costs, and making it. */
import { html } from "hono/html";
import { isLicensed, nextPeriodEnd } from "../billing/subscription-periods.ts";
import { cardOf, applyChange, planChange, previewChange, type ChangePlan } from "../billing/subscription-update.ts";
import { intentOf, type Invoice } from "../billing/invoices.ts";
import { cardOutcome } from "../billing/payments.ts";
import { expirePending, holdChange } from "../billing/pending-updates.ts";
import { previewInvoice } from "../billing/preview.ts";
import type { Subscription } from "../billing/subscriptions.ts";
import { formatAmount } from "../core/money.ts";
import { find, need } from "../core/world.ts";
import type { Price } from "../resources/prices.ts";
import { fieldOf } from "./card-form.ts";
import type { Markup } from "./layout.ts";
import { addressOf, allows, isChangeable, namedSubscription, offeredPrices, type Visit } from "./portal-visit.ts";
import { cardText, dayText, priceText } from "./words.ts";

const MAX_QUANTITY = 999_999;

export interface WantedChange {
  subscription: Subscription;
  price: Price;
  quantity: number;
  plan: ChangePlan;
}

/** Null where the configuration does not allow it; a text where it can't be. */
export function wantedChange(visit: Visit, form: Record<string, unknown>): WantedChange | string | null {
  const subscription = namedSubscription(visit, form);
  const [item] = subscription?.items.data ?? [];
  if (!subscription || !item || !isChangeable(visit, subscription)) return null;
  const [wantedPrice, wantedQuantity] = [fieldOf(form, "price"), fieldOf(form, "quantity")];
  const price = wantedPrice
    ? offeredPrices(visit, subscription).find(({ id }) => id === wantedPrice)
    : (find(visit.world, "price", item.price.id) ?? item.price);
  const quantity = wantedQuantity === "" ? (item.quantity ?? 1) : Number(wantedQuantity);
  if (!price) return "This plan is not offered.";
  if (!Number.isInteger(quantity) || quantity < 1 || quantity > MAX_QUANTITY)
    return `The quantity must be a whole number from 1 to ${MAX_QUANTITY}.`;
  if (price.id !== item.price.id && !allows(visit, "price")) return null;
  if (quantity !== item.quantity && !allows(visit, "quantity")) return null;
  if (price.id === item.price.id && quantity === item.quantity) return "This is what you have already.";
  const plan = planChange(visit.world, subscription, {
    items: [{ id: item.id, price, quantity }],
    prorationBehavior: visit.features.subscription_update.proration_behavior,
  });
  return { subscription, price, quantity, plan };
}

export function changePreview(visit: Visit, wanted: WantedChange): Markup {
  const { world } = visit;
  const { subscription, price, quantity } = wanted;
  const atOnce = isPaidAtOnce(visit, wanted);
  const preview = previewOf(visit, wanted);
  const money = (amount: number) => formatAmount(amount, preview.currency);
  const card = find(world, "payment_method", cardOf(world, subscription));
  return html`<section class="card" data-testid="change-preview">
    <h1>Confirm your change</h1>
    <p>
      ${quantity > 1 ? `${quantity} × ` : ""}${need(world, "product", price.product).name},
      <span data-testid="new-price">${priceText(price, quantity)}</span>
    </p>
    ${preview.lines.data.map(
      (line) => html`<div class="row"><span>${line.description}</span><span>${money(line.amount)}</span></div>`,
    )}
    <div class="row sum">
      <span>${atOnce ? "Due now" : `Your next invoice, ${dayText(nextPeriodEnd(subscription))}`}</span>
      <span data-testid="change-total">${money(preview.total)}</span>
    </div>
    ${card ? html`<p class="soft">${atOnce ? "Charged" : "To be charged"} to ${cardText(card)}.</p>` : ""}
    <form method="post" action="/p/session/${visit.session.id}/change">
      <input type="hidden" name="subscription" value="${subscription.id}" />
      <input type="hidden" name="price" value="${price.id}" />
      <input type="hidden" name="quantity" value="${quantity}" />
      <button data-testid="confirm-change">Confirm</button>
    </form>
  </section>`;
}

function isPaidAtOnce({ features }: Visit, { subscription }: WantedChange): boolean {
  return features.subscription_update.proration_behavior === "always_invoice" && subscription.status !== "trialing";
}

function previewOf(visit: Visit, { subscription, plan, price }: WantedChange): Invoice {
  const changeOnly = isPaidAtOnce(visit, { subscription, plan, price, quantity: 1 });
  const behavior = visit.features.subscription_update.proration_behavior;
  return previewInvoice(visit.world, {
    customer: visit.session.customer,
    subscription: { ...subscription, items: { ...subscription.items, data: plan.items.filter(isLicensed) } },
    changeOnly,
    changes: (invoice) => (behavior === "none" ? [] : previewChange(visit.world, invoice, subscription, plan)),
  });
}

export type Changed = { kind: "changed" } | { kind: "challenge"; id: string } | { kind: "refused"; notice: string };

/** What must be paid at once and is not leaves everything as it was. */
export function makeChange(visit: Visit, wanted: WantedChange): Changed {
  const { world } = visit;
  const { subscription, plan } = wanted;
  const behavior = visit.features.subscription_update.proration_behavior;
  const card = cardOf(world, subscription);
  const costs = isPaidAtOnce(visit, wanted) && previewOf(visit, wanted).total > 0;
  if (!costs || (card !== null && isSureToPay(visit, card))) {
    applyChange(world, subscription, plan, behavior);
    return { kind: "changed" };
  }
  if (card === null) return { kind: "refused", notice: "Add a payment method first." };
  const invoice = holdChange(world, subscription, plan);
  const intent = intentOf(world, invoice);
  if (invoice.status === "paid") return { kind: "changed" };
  if (intent?.next_action) {
    intent.next_action.redirect_to_url.return_url = `${world.baseUrl}${addressOf(visit, "home")}`;
    return { kind: "challenge", id: intent.id };
  }
  expirePending(world, subscription);
  return {
    kind: "refused",
    notice: `${intent?.last_payment_error?.message ?? "The payment failed."} Nothing has changed.`,
  };
}

function isSureToPay({ world }: Visit, card: string): boolean {
  return world.state.nextDecline == null && cardOutcome(world, card, true).kind === "succeeds";
}
