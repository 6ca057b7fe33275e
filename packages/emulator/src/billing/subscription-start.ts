/** How a subscription begins: with its first invoice, and the payment of it. @see https://docs.stripe.com/billing/subscriptions/overview */
import { emit } from "../core/events.ts";
import { round } from "../core/money.ts";
import { setTimer } from "../core/timers.ts";
import { insert, now, type World } from "../core/world.ts";
import { cardFor, intentFor, payInvoice } from "./collection.ts";
import { redeemAll } from "./discounts.ts";
import { refreshEntitlements } from "./entitlements.ts";
import { addSold } from "./invoice-items.ts";
import { createSubscriptionInvoice, linesOfPeriod, scheduleFinalization, type Invoice } from "./invoices.ts";
import { amountFor } from "./pricing.ts";
import { finalizeInvoice } from "./settlement.ts";
import { isLicensed, nextPeriodEnd, setPeriodTimers, startOf } from "./subscription-periods.ts";
import { announceTrialEnd } from "./subscription-trials.ts";
import { newSubscription, type NewSubscription, type Subscription } from "./subscriptions.ts";

const INCOMPLETE_LIFETIME = 23 * 3_600;

export type PaymentBehavior =
  | "allow_incomplete"
  | "default_incomplete"
  | "error_if_incomplete"
  | "pending_if_incomplete";

/** Makes it with its first invoice, which is finalized at once; `startPayment` then pays it. A schedule's waits as a renewal does. */
export function createSubscription(
  world: World,
  input: NewSubscription,
): { subscription: Subscription; invoice: Invoice } {
  const subscription = insert(world, "subscription", newSubscription(world, input));
  const owner = { customer: input.customer, subscription: subscription.id };
  subscription.discounts = redeemAll(world, input.discounts ?? [], owner);
  for (const [index, { discounts }] of input.items.entries()) {
    const item = subscription.items.data[index];
    if (item && discounts) item.discounts = redeemAll(world, discounts, { ...owner, subscription_item: item.id });
  }
  for (const { price, quantity } of input.addInvoiceItems ?? [])
    addSold(world, {
      customer: subscription.customer,
      subscription: subscription.id,
      price,
      quantity,
      period: { start: now(world), end: nextPeriodEnd(subscription) },
    });
  const invoice = createSubscriptionInvoice(world, subscription, "subscription_create", (draft) =>
    firstLines(world, draft, subscription, input.prorate ?? true),
  );
  const isScheduled = subscription.schedule !== null;
  if (isScheduled) scheduleFinalization(world, invoice);
  else finalizeInvoice(world, invoice);
  const waits = isScheduled || subscription.collection_method === "send_invoice";
  if (waits && subscription.status === "incomplete") subscription.status = "active";
  emit(world, "customer.subscription.created", subscription);
  setTimers(world, subscription);
  refreshEntitlements(world, subscription.customer);
  return { subscription, invoice };
}

function setTimers(world: World, subscription: Subscription): void {
  const at = now(world);
  setPeriodTimers(world, subscription);
  if (subscription.status === "incomplete")
    setTimer(world, "incomplete_expires", subscription.id, at + INCOMPLETE_LIFETIME);
  if (subscription.trial_end !== null) announceTrialEnd(world, subscription, subscription.trial_end);
  if (subscription.cancel_at !== null && !subscription.cancel_at_period_end)
    setTimer(world, "cancels", subscription.id, subscription.cancel_at);
}

/** The first period, or the stub before the anchor; usage is billed when it has been used. */
function firstLines(world: World, draft: Invoice, subscription: Subscription, prorate: boolean) {
  const isStub = subscription.trial_end === null && subscription.billing_cycle_anchor > now(world);
  if (isStub && !prorate) return [];
  const lines = linesOfPeriod(world, draft, subscription, (item) =>
    isLicensed(item) ? { start: item.current_period_start, end: item.current_period_end } : null,
  );
  if (!isStub) return lines;
  return lines.map((line) => {
    const item = subscription.items.data.find(
      ({ id }) => id === line.parent?.subscription_item_details?.subscription_item,
    );
    if (!item) return line;
    const anchor = subscription.billing_cycle_anchor;
    const whole = anchor - startOf(item.price, anchor, anchor - 1);
    const amount = round((amountFor(item.price, item.quantity ?? 1) * (anchor - now(world))) / whole);
    return { ...line, amount, subtotal: amount };
  });
}

/** Pays the first invoice, or leaves it to the person, as the payment behavior says. */
export function startPayment(
  world: World,
  subscription: Subscription,
  invoice: Invoice,
  { behavior, onSession }: { behavior: PaymentBehavior; onSession: boolean },
): void {
  if (invoice.status !== "open" || subscription.collection_method === "send_invoice") return;
  const card = cardFor(world, invoice);
  if (behavior === "default_incomplete" || card === null) {
    const intent = intentFor(world, invoice);
    if (card !== null) Object.assign(intent, { payment_method: card, status: "requires_confirmation" });
    return;
  }
  payInvoice(world, invoice, card, { onSession });
}
