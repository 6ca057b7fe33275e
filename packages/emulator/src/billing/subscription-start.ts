/**
 * Creates subscriptions, each with its first invoice and payment.
 * @see https://docs.stripe.com/billing/subscriptions/overview
 */
import { now } from "../core/clock.ts";
import { emit } from "../core/events.ts";
import { find, insert, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { setTimer } from "../core/timers.ts";
import type { InvoiceLine } from "../objects/invoice-line.ts";
import type { Invoice } from "../objects/invoice.ts";
import { type NewSubscription, newSubscription, type Subscription } from "../objects/subscription.ts";
import { linesBeforeNow } from "./backdating.ts";
import { awaitConfirmation, cardForInvoice, payInvoice, type PaymentChoice } from "./collection.ts";
import { setCurrency } from "./customer-balance.ts";
import { defaultCardOf } from "./customer-sources.ts";
import { refreshEntitlements } from "./entitlements.ts";
import { amountUntilAnchor } from "./first-period.ts";
import { addedPeriod, addOneTimeItem } from "./invoice-items.ts";
import { createSubscriptionInvoice, linesOfItems, listPendingItems, scheduleFinalization } from "./invoices.ts";
import { startPendingSetup } from "./pending-setup.ts";
import { cutAtPlannedEnd } from "./planned-end.ts";
import { purchaseOf } from "./pricing.ts";
import { finalizeInvoice } from "./settlement.ts";
import { replaceDiscounts } from "./subscriber-discounts.ts";
import { isLicensed, setPeriodTimers } from "./subscription-periods.ts";
import { announceTrialEnd } from "./subscription-trials.ts";

const INCOMPLETE_LIFETIME = 23 * 3_600;

/**
 * Creates a subscription and finalizes its first invoice. The function `startPayment` pays the finalized first invoice. If a
 * schedule creates the subscription, the first invoice stays a draft for one hour. The first invoice is null if the time before
 * the billing cycle anchor is free.
 */
export function createSubscription(
  context: Context,
  input: NewSubscription,
): { subscription: Subscription; invoice: Invoice | null } {
  const subscription = insert(context, "subscription", newSubscription(context, input));
  switchCurrency(context, subscription);
  redeemFirstDiscounts(context, subscription, input);
  for (const [index, added] of (input.addInvoiceItems ?? []).entries())
    addOneTimeItem(context, {
      ...added,
      customer: subscription.customer,
      subscription: subscription.id,
      currency: subscription.currency,
      period: addedPeriod(context, subscription, added.period),
      param: `add_invoice_items[${index}][discounts]`,
    });
  const invoice = createFirstInvoice(context, subscription, input);
  const isScheduled = subscription.schedule !== null;
  const waits = isScheduled || subscription.collection_method === "send_invoice";
  if ((waits || !invoice) && subscription.status === "incomplete") subscription.status = "active";
  if (input.checksCard && !waits && (!invoice || invoice.status === "paid"))
    subscription.pending_setup_intent = startPendingSetup(context, subscription, cardOf(context, subscription));
  emit(context, "customer.subscription.created", subscription);
  setTimers(context, subscription);
  refreshEntitlements(context, subscription.customer);
  return { subscription, invoice };
}

/** Creates the first invoice. Returns null if the time before the billing cycle anchor is free and nothing else is due. */
function createFirstInvoice(context: Context, subscription: Subscription, input: NewSubscription): Invoice | null {
  const { customer, currency, id } = subscription;
  const isFree = isStub(context, subscription) && input.prorate === false;
  if (isFree && listPendingItems(context, customer, id, currency).length === 0) return null;
  const invoice = createSubscriptionInvoice(context, subscription, "subscription_create", (draft) =>
    isFree ? [] : firstLines(context, draft, subscription, input),
  );
  if (subscription.schedule === null) finalizeInvoice(context, invoice);
  else scheduleFinalization(context, invoice);
  return invoice;
}

function cardOf(context: Context, { customer, default_payment_method: own }: Subscription): string | null {
  return own ?? defaultCardOf(find(context, "customer", customer));
}

function isStub(context: Context, { trial_end: trial, billing_cycle_anchor: anchor }: Subscription): boolean {
  return trial === null && anchor > now(context);
}

function redeemFirstDiscounts(context: Context, subscription: Subscription, input: NewSubscription): void {
  const owner = { customer: input.customer, subscription: subscription.id };
  const redemption = {
    owner,
    purchase: purchaseOf([...input.items, ...(input.addInvoiceItems ?? [])], subscription.currency),
    checked: input.checkedCoupons,
  };
  subscription.discounts = replaceDiscounts(context, [], { inputs: input.discounts ?? [], redemption });
  for (const [index, { discounts = [] }] of input.items.entries()) {
    const item = subscription.items.data[index];
    if (!item) continue;
    item.discounts = replaceDiscounts(context, [], {
      inputs: discounts,
      redemption: { ...redemption, checked: undefined, owner: { ...owner, subscription_item: item.id } },
      param: `items[${index}][discounts]`,
    });
  }
}

/** Changes the currency of a customer who was billed in another currency before. */
function switchCurrency(context: Context, { customer: id, currency }: Subscription): void {
  const customer = retrieve(context, "customer", id, "customer");
  if (customer.currency !== null) setCurrency(context, customer, currency);
}

function setTimers(context: Context, subscription: Subscription): void {
  const at = now(context);
  setPeriodTimers(context, subscription);
  if (subscription.status === "incomplete")
    setTimer(context, "incomplete_expires", subscription.id, at + INCOMPLETE_LIFETIME);
  if (subscription.trial_end !== null) announceTrialEnd(context, subscription, subscription.trial_end);
  if (subscription.cancel_at !== null && !subscription.cancel_at_period_end)
    setTimer(context, "cancels", subscription.id, subscription.cancel_at);
}

/**
 * Returns the first invoice's lines: for the first period, or for the partial period before the billing cycle anchor.
 * Metered usage is billed later, when its period has ended.
 */
function firstLines(
  context: Context,
  draft: Invoice,
  subscription: Subscription,
  { prorate = true, pricedAt = now(context), startDate }: NewSubscription,
) {
  const past = startDate !== undefined && prorate ? linesBeforeNow(context, draft, subscription, startDate) : [];
  return [...past, ...linesOfFirstPeriod(context, draft, subscription, { prorate, pricedAt, startDate })];
}

function linesOfFirstPeriod(
  context: Context,
  draft: Invoice,
  subscription: Subscription,
  { prorate, pricedAt, startDate }: { prorate: boolean; pricedAt: number; startDate: number | undefined },
): InvoiceLine[] {
  const lines = linesOfItems(context, draft, subscription, (item) =>
    isLicensed(item) ? { start: item.current_period_start, end: item.current_period_end } : null,
  );
  if (!isStub(context, subscription)) return prorate ? cutAtPlannedEnd(subscription, lines) : lines;
  const shares = lines.map((line) => {
    const item = subscription.items.data.find(
      ({ id }) => id === line.parent?.subscription_item_details?.subscription_item,
    );
    if (!item) return line;
    const at = startDate === undefined ? pricedAt : item.current_period_start;
    const amount = amountUntilAnchor(line.amount, item.price, { anchor: subscription.billing_cycle_anchor, at });
    return { ...line, amount, subtotal: amount };
  });
  return cutAtPlannedEnd(subscription, shares);
}

/** Pays a subscription's first invoice, or leaves it open, depending on `payment_behavior`. */
export function startPayment(
  context: Context,
  subscription: Subscription,
  invoice: Invoice | null,
  { behavior, onSession }: PaymentChoice,
): void {
  if (!invoice || invoice.status !== "open" || subscription.collection_method === "send_invoice") return;
  const card = cardForInvoice(context, invoice);
  if (behavior === "default_incomplete" || card === null) return awaitConfirmation(context, invoice);
  payInvoice(context, invoice, card, { onSession });
}
