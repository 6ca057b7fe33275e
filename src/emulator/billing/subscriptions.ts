/** A subscription's life: created, renewed, failing, recovering, ending. @see https://docs.stripe.com/billing/subscriptions/overview */
import { emit } from "../core/events.ts";
import { clearTimer, setTimer } from "../core/timers.ts";
import { all, copy, find, newId, type World } from "../core/world.ts";
import type { Price } from "../resources/prices.ts";
import {
  createInvoice,
  finalizeInvoice,
  payInvoice,
  scheduleFinalization,
  voidInvoice,
  type Invoice,
} from "./invoices.ts";
import { periodEnd } from "./periods.ts";
import { update } from "./subscription-changes.ts";

const DAY = 86_400;
const INCOMPLETE_LIFETIME = 23 * 3_600;
const TRIAL_NOTICE = 3 * DAY;

export type SubscriptionStatus =
  | "incomplete"
  | "incomplete_expired"
  | "trialing"
  | "active"
  | "past_due"
  | "canceled"
  | "unpaid"
  | "paused";

export type Subscription = ReturnType<typeof newSubscription>;

export interface NewSubscription {
  customer: string;
  items: { price: Price; quantity: number }[];
  metadata: Record<string, string>;
  trialDays: number;
  defaultPaymentMethod: string | null;
}

/** Makes it with its first invoice, which is finalized at once; `startPayment` then pays it. */
export function createSubscription(
  world: World,
  input: NewSubscription,
): { subscription: Subscription; invoice: Invoice } {
  const subscription = newSubscription(world, input);
  world.state.tables.subscription.set(subscription.id, subscription);
  const invoice = createInvoice(world, subscription, "subscription_create");
  finalizeInvoice(world, invoice);
  emit(world, "customer.subscription.created", subscription);
  setTimer(world, "period_ends", subscription.id, nextPeriodEnd(subscription));
  if (subscription.status === "incomplete")
    setTimer(world, "incomplete_expires", subscription.id, world.state.now + INCOMPLETE_LIFETIME);
  if (subscription.trial_end !== null)
    setTimer(
      world,
      "trial_will_end",
      subscription.id,
      Math.max(world.state.now, subscription.trial_end - TRIAL_NOTICE),
    );
  return { subscription, invoice };
}

function newSubscription(world: World, input: NewSubscription) {
  const { now } = world.state;
  const id = newId(world, "sub");
  const trialEnd = input.trialDays > 0 ? now + input.trialDays * DAY : null;
  const anchor = trialEnd ?? now;
  const [first] = input.items;
  return {
    id,
    object: "subscription" as const,
    application: null,
    automatic_tax: { disabled_reason: null, enabled: false, liability: null },
    billing_cycle_anchor: anchor,
    billing_cycle_anchor_config: null,
    billing_mode: { flexible: { proration_discounts: "included" }, type: "flexible", updated_at: now },
    billing_thresholds: null,
    cancel_at: null as number | null,
    cancel_at_period_end: false,
    canceled_at: null as number | null,
    cancellation_details: {
      comment: null as string | null,
      feedback: null as string | null,
      reason: null as string | null,
    },
    collection_method: "charge_automatically",
    created: now,
    currency: first?.price.currency ?? "usd",
    customer: input.customer,
    days_until_due: null,
    default_payment_method: input.defaultPaymentMethod,
    default_source: null,
    default_tax_rates: [],
    description: null,
    discounts: [],
    ended_at: null as number | null,
    invoice_settings: { account_tax_ids: null, issuer: { type: "self" } },
    items: {
      object: "list" as const,
      data: input.items.map(({ price, quantity }) => ({
        id: newId(world, "si", 14),
        object: "subscription_item" as const,
        billing_thresholds: null,
        created: now,
        current_period_end: trialEnd ?? endOf(price, anchor, now),
        current_period_start: now,
        discounts: [],
        metadata: {},
        price: copy(price),
        quantity,
        subscription: id,
        tax_rates: [],
      })),
      has_more: false,
      total_count: input.items.length,
      url: `/v1/subscription_items?subscription=${id}`,
    },
    latest_invoice: null as string | null,
    livemode: false as const,
    metadata: input.metadata,
    next_pending_invoice_item_invoice: null,
    on_behalf_of: null,
    pause_collection: null,
    payment_settings: { payment_method_options: null, payment_method_types: null, save_default_payment_method: "off" },
    pending_invoice_item_interval: null,
    pending_setup_intent: null,
    pending_update: null,
    schedule: null,
    start_date: now,
    status: (trialEnd === null ? "incomplete" : "trialing") as SubscriptionStatus,
    test_clock: null,
    transfer_data: null,
    trial_end: trialEnd,
    trial_settings: { end_behavior: { missing_payment_method: "create_invoice" } },
    trial_start: trialEnd === null ? null : now,
  };
}

/** Pays the first invoice where it is not free. */
export function startPayment(world: World, invoice: Invoice, paymentMethodId: string, onSession: boolean): void {
  if (invoice.status === "open") payInvoice(world, invoice, paymentMethodId, onSession);
}

/** The card that a renewal is charged to. */
export function defaultPaymentMethod(world: World, subscription: Subscription): string | null {
  const customer = find(world, "customer", subscription.customer);
  return subscription.default_payment_method ?? customer?.invoice_settings.default_payment_method ?? null;
}

/** At a period's end: the next period begins and its invoice is drafted. */
export function renew(world: World, subscription: Subscription): void {
  if (isOver(subscription) || subscription.status === "incomplete") return;
  const { now } = world.state;
  const ends = subscription.cancel_at_period_end || (subscription.cancel_at !== null && subscription.cancel_at <= now);
  if (ends) return end(world, subscription, "cancellation_requested");
  const items = copy(subscription.items);
  for (const item of items.data) {
    item.current_period_start = item.current_period_end;
    item.current_period_end = endOf(item.price, subscription.billing_cycle_anchor, now);
  }
  const status = subscription.status === "trialing" ? "active" : subscription.status;
  update(world, subscription, { items, status });
  setTimer(world, "period_ends", subscription.id, nextPeriodEnd(subscription));
  const invoice = createInvoice(world, subscription, "subscription_cycle");
  scheduleFinalization(world, invoice);
}

/** A renewal's draft is fixed and charged. */
export function collect(world: World, invoice: Invoice, subscription: Subscription): void {
  if (invoice.status === "draft") finalizeInvoice(world, invoice);
  if (invoice.status !== "open") return;
  payInvoice(world, invoice, defaultPaymentMethod(world, subscription), false);
}

/** Another try, or the end of trying. */
export function retryCollection(world: World, invoice: Invoice, subscription: Subscription): void {
  if (invoice.status !== "open") return;
  if (invoice.next_payment_attempt === null) return end(world, subscription, "payment_failed");
  collect(world, invoice, subscription);
}

/** 23 hours without the first payment. */
export function expireIncomplete(world: World, subscription: Subscription): void {
  if (subscription.status !== "incomplete") return;
  clearTimer(world, "period_ends", subscription.id);
  update(world, subscription, { status: "incomplete_expired", ended_at: world.state.now });
  const invoice =
    subscription.latest_invoice === null ? undefined : find(world, "invoice", subscription.latest_invoice);
  if (invoice?.status === "open") voidInvoice(world, invoice);
}

export interface CancellationDetails {
  comment?: string | null | undefined;
  feedback?: string | null | undefined;
}

/** To end at the period's end. */
export function cancelAtPeriodEnd(world: World, subscription: Subscription, details: CancellationDetails): void {
  update(world, subscription, {
    cancel_at_period_end: true,
    cancel_at: nextPeriodEnd(subscription),
    canceled_at: world.state.now,
    cancellation_details: {
      comment: details.comment ?? null,
      feedback: details.feedback ?? null,
      reason: "cancellation_requested",
    },
  });
}

/** To end at an instant, which is how the portal says it. */
export function cancelAt(
  world: World,
  subscription: Subscription,
  at: number,
  details: CancellationDetails = {},
): void {
  update(world, subscription, {
    cancel_at_period_end: false,
    cancel_at: at,
    canceled_at: world.state.now,
    cancellation_details: {
      comment: details.comment ?? null,
      feedback: details.feedback ?? null,
      reason: "cancellation_requested",
    },
  });
  setTimer(world, "cancels", subscription.id, at);
}

export function undoCancellation(world: World, subscription: Subscription): void {
  clearTimer(world, "cancels", subscription.id);
  update(world, subscription, {
    cancel_at_period_end: false,
    cancel_at: null,
    canceled_at: null,
    cancellation_details: { comment: null, feedback: null, reason: null },
  });
}

/** Ends it now. */
export function end(
  world: World,
  subscription: Subscription,
  reason: "cancellation_requested" | "payment_failed",
): void {
  if (isOver(subscription)) return;
  for (const kind of ["period_ends", "cancels", "trial_will_end", "incomplete_expires"] as const)
    clearTimer(world, kind, subscription.id);
  subscription.status = "canceled";
  subscription.ended_at = world.state.now;
  subscription.canceled_at ??= world.state.now;
  subscription.cancellation_details.reason = reason;
  emit(world, "customer.subscription.deleted", subscription);
  stopCollecting(world, subscription);
}

/** Drafts and open invoices of an ended subscription are not tried again. */
function stopCollecting(world: World, subscription: Subscription): void {
  for (const invoice of all(world, "invoice")) {
    if (invoice.parent.subscription_details.subscription !== subscription.id) continue;
    clearTimer(world, "invoice_retries", invoice.id);
    clearTimer(world, "invoice_finalizes", invoice.id);
    if (invoice.status === "open" || invoice.status === "draft")
      Object.assign(invoice, { auto_advance: false, next_payment_attempt: null });
  }
}

export function isOver(subscription: Subscription): boolean {
  return subscription.status === "canceled" || subscription.status === "incomplete_expired";
}

export function nextPeriodEnd(subscription: Subscription): number {
  return Math.min(...subscription.items.data.map((item) => item.current_period_end));
}

function endOf(price: Price, anchor: number, after: number): number {
  const { interval, interval_count } = price.recurring ?? { interval: "month" as const, interval_count: 1 };
  return periodEnd(anchor, interval, interval_count, after);
}
