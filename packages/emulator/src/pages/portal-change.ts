/** Validates, previews and makes changes of plan or quantity in the customer portal. */
import { html } from "hono/html";
import { intentOf } from "../billing/invoices.ts";
import { challengeAction } from "../billing/next-actions.ts";
import { cardOutcome } from "../billing/payments.ts";
import { expirePendingUpdate, startPendingUpdate } from "../billing/pending-updates.ts";
import { previewInvoice } from "../billing/preview.ts";
import { changeAtPeriodEnd } from "../billing/scheduled-changes.ts";
import { nextPeriodEnd } from "../billing/subscription-periods.ts";
import { applyChange, cardForSubscription, type ChangePlan, planChange } from "../billing/subscription-update.ts";
import { formatAmount } from "../core/money.ts";
import { find, retrieve } from "../core/rows.ts";
import type { DiscountInput } from "../objects/discount.ts";
import type { Invoice } from "../objects/invoice.ts";
import type { Price } from "../objects/price.ts";
import type { Subscription } from "../objects/subscription.ts";
import { fieldOf } from "./card-form.ts";
import { applyDiscounts, readDiscounts } from "./portal-discounts.ts";
import { quantityRange, waitsForPeriodEnd } from "./portal-rules.ts";
import { cardText, dayText, priceText } from "./format.ts";
import type { Markup } from "./layout.ts";
import { addressOf, isAllowed, isChangeable, namedSubscription, offeredPrices, type Visit } from "./portal-visit.ts";

export interface WantedChange {
  subscription: Subscription;
  price: Price;
  quantity: number;
  plan: ChangePlan;
  /** The coupons that replace the subscription's discounts. Undefined leaves them unchanged. */
  discounts: readonly DiscountInput[] | undefined;
  /** True if the change waits for the end of the subscription's period. */
  waits: boolean;
}

/**
 * Returns the change that a portal form requests, or an error message if the change is invalid. Returns null if the
 * portal does not allow the change.
 */
export function readChange(visit: Visit, form: Record<string, unknown>): WantedChange | string | null {
  const subscription = namedSubscription(visit, form);
  const [item] = subscription?.items.data ?? [];
  if (!subscription || !item || !isChangeable(visit, subscription)) return null;
  const [wantedPrice, wantedQuantity] = [fieldOf(form, "price"), fieldOf(form, "quantity")];
  const price = wantedPrice
    ? offeredPrices(visit, subscription).find(({ id }) => id === wantedPrice)
    : (find(visit.context, "price", item.price.id) ?? item.price);
  const quantity = wantedQuantity === "" ? (item.quantity ?? 1) : Number(wantedQuantity);
  if (!price) return "This plan is not offered.";
  if (price.id !== item.price.id && !isAllowed(visit, "price")) return null;
  if (price.id === item.price.id && quantity === item.quantity) return "This is your current plan and quantity.";
  const refusal = quantityRefusal(visit, { price, quantity, current: item.quantity ?? 1 });
  if (refusal !== undefined) return refusal;
  const feature = visit.features.subscription_update;
  const plan = planChange(visit.context, subscription, {
    items: [{ id: item.id, price, quantity }],
    prorationBehavior: feature.proration_behavior,
    endsTrial: feature.trial_update_behavior === "end_trial",
    anchor: subscription.status === "trialing" ? undefined : (feature.billing_cycle_anchor ?? undefined),
  });
  const discounts = readDiscounts(visit, { subscription, price, quantity }, form);
  if (typeof discounts === "string") return discounts;
  const waits = waitsForPeriodEnd(feature, subscription, { price, quantity });
  return { subscription, price, quantity, plan, discounts, waits };
}

/**
 * Returns the reason for which a quantity can't be chosen. Returns null if the portal has no choice of quantities, and undefined
 * if the quantity can be chosen.
 */
function quantityRefusal(
  { features }: Visit,
  { price, quantity, current }: { price: Price; quantity: number; current: number },
): string | null | undefined {
  const range = quantityRange(features.subscription_update, price.product);
  if (!range) return quantity === current ? undefined : null;
  const { minimum, maximum } = range;
  if (Number.isInteger(quantity) && quantity >= minimum && quantity <= maximum) return undefined;
  return `The quantity must be a whole number from ${minimum} to ${maximum}.`;
}

export function changePreview(visit: Visit, wanted: WantedChange, code: string): Markup {
  const { context } = visit;
  const { subscription, price, quantity } = wanted;
  const atOnce = isInvoicedNow(visit, wanted);
  const effect = effectText(wanted);
  const preview = previewOf(visit, wanted);
  const card = find(context, "payment_method", cardForSubscription(context, subscription));
  return html`<section class="card" data-testid="change-preview">
    <h1>Confirm your change</h1>
    <p>
      ${quantity > 1 ? `${quantity} × ` : ""}${retrieve(context, "product", price.product).name},
      <span data-testid="new-price">${priceText(price, quantity, subscription.currency)}</span>
    </p>
    ${effect ? html`<p data-testid="effect">${effect}</p>` : ""}
    ${preview ? invoiceRows(preview, atOnce ? "Due now" : `Your next invoice, ${dayText(preview.created)}`) : ""}
    ${card ? html`<p class="soft">${atOnce ? "Charged" : "To be charged"} to ${cardText(card)}.</p>` : ""}
    <form method="post" action="/p/session/${visit.session.id}/change">
      <input type="hidden" name="subscription" value="${subscription.id}" />
      <input type="hidden" name="price" value="${price.id}" />
      <input type="hidden" name="quantity" value="${quantity}" />
      ${code === "" ? "" : html`<input type="hidden" name="code" value="${code}" />`}
      <button data-testid="confirm-change">Confirm</button>
    </form>
  </section>`;
}

function invoiceRows({ currency, lines, total }: Invoice, title: string): Markup {
  return html`${lines.data.map(
      ({ description, amount }) =>
        html`<div class="row"><span>${description}</span><span>${formatAmount(amount, currency)}</span></div>`,
    )}
    <div class="row sum">
      <span>${title}</span>
      <span data-testid="change-total">${formatAmount(total, currency)}</span>
    </div>`;
}

/** Returns a sentence about the time of a change or the end of a trial; null if the change takes effect now. */
function effectText({ subscription, plan, waits }: WantedChange): string | null {
  if (waits) return `You keep your current plan until ${dayText(nextPeriodEnd(subscription))}.`;
  return plan.endsTrial ? "Your free trial ends now." : null;
}

function isInvoicedNow({ features }: Visit, { subscription, plan, waits }: WantedChange): boolean {
  if (waits) return false;
  if (plan.restarted.length > 0) return true;
  return features.subscription_update.proration_behavior === "always_invoice" && subscription.status !== "trialing";
}

/** Returns the invoice that follows from the change; null if no invoice follows, because the subscription ends before. */
function previewOf(visit: Visit, wanted: WantedChange): Invoice | null {
  const { id, customer } = wanted.subscription;
  return previewInvoice(visit.context, () => {
    apply(visit, { ...wanted, subscription: retrieve(visit.context, "subscription", id) });
    return { customer, subscription: id };
  });
}

/** Makes the change now, or schedules it for the end of the period. */
function apply({ context, features }: Visit, wanted: WantedChange): void {
  const { subscription, price, quantity, plan, discounts } = wanted;
  if (wanted.waits) return void changeAtPeriodEnd(context, subscription, { price, quantity, discounts });
  if (discounts) applyDiscounts(context, wanted, discounts);
  applyChange(context, subscription, plan, features.subscription_update.proration_behavior);
}

export type ChangeResult =
  | { kind: "changed" }
  | { kind: "challenge"; id: string }
  | { kind: "refused"; notice: string };

/**
 * Changes the subscription as the customer requested in the portal. If the change must be paid at once and the payment
 * fails, the subscription stays unchanged.
 */
export function makeChange(visit: Visit, wanted: WantedChange): ChangeResult {
  const { context } = visit;
  const { subscription, plan } = wanted;
  const card = cardForSubscription(context, subscription);
  const costs = isInvoicedNow(visit, wanted) && (previewOf(visit, wanted)?.total ?? 0) > 0;
  if (!costs || (card !== null && willSucceed(visit, card))) {
    apply(visit, wanted);
    return { kind: "changed" };
  }
  if (card === null) return { kind: "refused", notice: "Add a payment method first." };
  if (wanted.discounts)
    return { kind: "refused", notice: "A change with a discount needs a card that can be charged at once." };
  const invoice = startPendingUpdate(
    context,
    subscription,
    plan,
    visit.features.subscription_update.proration_behavior,
  );
  const intent = intentOf(context, invoice);
  if (invoice.status === "paid") return { kind: "changed" };
  if (intent?.next_action) {
    intent.next_action = challengeAction(context, intent.id, {
      returnUrl: `${context.baseUrl}${addressOf(visit, "home")}`,
    });
    return { kind: "challenge", id: intent.id };
  }
  expirePendingUpdate(context, subscription);
  return {
    kind: "refused",
    notice: `${intent?.last_payment_error?.message ?? "The payment failed."} Nothing has changed.`,
  };
}

function willSucceed({ context }: Visit, card: string): boolean {
  return context.state.nextDecline == null && cardOutcome(context, card, true).kind === "succeeds";
}
