/** A subscription's life: created, renewed, paused, ending. @see https://docs.stripe.com/billing/subscriptions/overview */
import type { TaxRate } from "../resources/tax-rates.ts";
import { finalizeInvoice } from "./settlement.ts";
import { newInvoiceItem } from "./invoice-items.ts";
import { emit } from "../core/events.ts";
import { round } from "../core/money.ts";
import { clearTimer, setTimer } from "../core/timers.ts";
import { copy, find, insert, need, newId, now, type World } from "../core/world.ts";
import type { Price } from "../resources/prices.ts";

import { cardFor, intentFor, payInvoice, stopCollecting } from "./collection.ts";
import { redeemAll, type DiscountInput } from "./discounts.ts";
import { refreshEntitlements } from "./entitlements.ts";
import type { Period } from "./invoice-lines.ts";
import {
  createSubscriptionInvoice,
  linesOfPeriod,
  openInvoicesOf,
  scheduleFinalization,
  voidInvoice,
  type Invoice,
} from "./invoices.ts";
import { amountFor } from "./pricing.ts";
import { closeScheduleOf } from "./schedules.ts";
import { update } from "./subscription-changes.ts";
import { isLicensed, endOf, isOver, nextPeriodEnd, setPeriodTimers, startOf } from "./subscription-periods.ts";

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

export type PaymentBehavior =
  | "allow_incomplete"
  | "default_incomplete"
  | "error_if_incomplete"
  | "pending_if_incomplete";

export type Subscription = ReturnType<typeof newSubscription>;
export type SubscriptionItem = ReturnType<typeof newItem>;

export interface ItemInput {
  price: Price;
  quantity: number | undefined;
  metadata?: Record<string, string> | undefined;
  taxRates?: TaxRate[] | undefined;
  discounts?: DiscountInput[];
}

export interface NewSubscription {
  customer: string;
  items: ItemInput[];
  metadata: Record<string, string>;
  description?: string | null;
  trialEnd: number | null;
  anchor?: number | null;
  /** Whether a first stub before the anchor is charged. Default true. */
  prorate?: boolean;
  defaultPaymentMethod: string | null;
  discounts?: DiscountInput[];
  addInvoiceItems?: { price: Price; quantity: number }[];
  collectionMethod?: "charge_automatically" | "send_invoice";
  daysUntilDue?: number | null;
  cancelAtPeriodEnd?: boolean;
  cancelAt?: number | null;
  defaultTaxRates?: TaxRate[];
  missingPaymentMethod?: "create_invoice" | "cancel" | "pause";
  saveDefaultPaymentMethod?: "off" | "on_subscription";
  /** The schedule it is made by. */
  schedule?: string;
}

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
    addToFirstInvoice(world, subscription, price, quantity);
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

/** Three days before, or at once where it is nearer. */
function announceTrialEnd(world: World, subscription: Subscription, trialEnd: number): void {
  const at = trialEnd - TRIAL_NOTICE;
  if (at > now(world)) return setTimer(world, "trial_will_end", subscription.id, at);
  clearTimer(world, "trial_will_end", subscription.id);
  emit(world, "customer.subscription.trial_will_end", subscription);
}

function newSubscription(world: World, input: NewSubscription) {
  const at = now(world);
  const id = newId(world, "sub");
  const anchor = input.trialEnd ?? input.anchor ?? at;
  const [first] = input.items;
  const items = input.items.map((item) => newItem(world, id, item, anchor, input.trialEnd));
  const periodEnds = Math.min(...items.map((item) => item.current_period_end));
  const canceling = (input.cancelAtPeriodEnd ?? false) || (input.cancelAt ?? null) !== null;
  return {
    id,
    object: "subscription" as const,
    application: null,
    application_fee_percent: null,
    automatic_tax: { disabled_reason: null, enabled: false, liability: null },
    billing_cycle_anchor: anchor,
    billing_cycle_anchor_config: null,
    billing_mode: { flexible: { proration_discounts: "included" }, type: "flexible", updated_at: at },
    billing_schedules: [],
    billing_thresholds: null,
    cancel_at: input.cancelAtPeriodEnd ? periodEnds : (input.cancelAt ?? null),
    cancel_at_period_end: input.cancelAtPeriodEnd ?? false,
    canceled_at: canceling ? at : null,
    cancellation_details: {
      comment: null as string | null,
      feedback: null as string | null,
      feedback_option: null,
      reason: (canceling ? "cancellation_requested" : null) as string | null,
    },
    collection_method: input.collectionMethod ?? "charge_automatically",
    created: at,
    currency: first?.price.currency ?? "usd",
    customer: input.customer,
    customer_account: null,
    days_until_due: input.daysUntilDue ?? null,
    default_payment_method: input.defaultPaymentMethod,
    default_source: null,
    default_tax_rates: input.defaultTaxRates ?? [],
    description: input.description ?? null,
    discounts: [] as string[],
    ended_at: null as number | null,
    invoice_settings: {
      account_tax_ids: null,
      custom_fields: null,
      description: null,
      footer: null,
      issuer: { type: "self" as const },
    },
    items: {
      object: "list" as const,
      data: items,
      has_more: false,
      total_count: items.length,
      url: `/v1/subscription_items?subscription=${id}`,
    },
    latest_invoice: null as string | null,
    livemode: false as const,
    managed_payments: null,
    metadata: input.metadata,
    next_pending_invoice_item_invoice: null,
    on_behalf_of: null,
    pause_collection: null as {
      behavior: "keep_as_draft" | "mark_uncollectible" | "void";
      resumes_at: number | null;
    } | null,
    payment_settings: {
      payment_method_options: null,
      payment_method_types: null,
      save_default_payment_method: input.saveDefaultPaymentMethod ?? "off",
    },
    pending_invoice_item_interval: null,
    pending_setup_intent: null as string | null,
    pending_update: null as {
      billing_cycle_anchor: number | null;
      discount_source: null;
      expires_at: number;
      subscription_items: object[] | null;
      trial_end: number | null;
      trial_from_plan: null;
    } | null,
    schedule: input.schedule ?? null,
    start_date: at,
    status: (input.trialEnd === null ? "incomplete" : "trialing") as SubscriptionStatus,
    test_clock: find(world, "customer", input.customer)?.test_clock ?? null,
    transfer_data: null,
    trial_end: input.trialEnd,
    trial_settings: {
      end_behavior: {
        billing_cycle_anchor: null,
        missing_payment_method: input.missingPaymentMethod ?? ("create_invoice" as const),
      },
    },
    trial_start: input.trialEnd === null ? null : at,
  };
}

export function newItem(
  world: World,
  subscription: string,
  { price, quantity, metadata, taxRates }: Omit<ItemInput, "discounts">,
  anchor: number,
  trialEnd: number | null,
) {
  const at = now(world);
  const metered = price.recurring?.usage_type === "metered";
  return {
    id: newId(world, "si", 14),
    object: "subscription_item" as const,
    billing_thresholds: null,
    created: at,
    current_period_end: trialEnd ?? (anchor > at ? anchor : endOf(price, anchor, at)),
    current_period_start: anchor < at ? startOf(price, anchor, at) : at,
    current_trial: null,
    discounts: [] as string[],
    metadata: metadata ?? {},
    price: copy(price),
    ...(!metered && { quantity: quantity ?? 1 }),
    subscription,
    tax_rates: taxRates ?? ([] as TaxRate[]),
  };
}

function addToFirstInvoice(world: World, subscription: Subscription, price: Price, quantity: number): void {
  const product = need(world, "product", price.product);
  insert(
    world,
    "invoiceitem",
    newInvoiceItem(world, {
      customer: subscription.customer,
      subscription: subscription.id,
      price,
      quantity,
      description: product.name,
      period: { start: now(world), end: nextPeriodEnd(subscription) },
    }),
  );
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

/** At a period's end: the next period begins and its invoice is drafted. */
export function renew(world: World, subscription: Subscription): void {
  if (isOver(subscription) || subscription.status === "incomplete" || subscription.status === "paused") return;
  const at = now(world);
  const ends = subscription.cancel_at_period_end || (subscription.cancel_at !== null && subscription.cancel_at <= at);
  if (ends) return end(world, subscription, "cancellation_requested");
  const trialEnds = subscription.status === "trialing";
  if (trialEnds && endTrialWithoutCard(world, subscription)) return;
  const before = copy(subscription.items.data);
  const items = copy(subscription.items);
  for (const item of items.data) roll(item, subscription.billing_cycle_anchor, at);
  update(world, subscription, { items, status: trialEnds ? "active" : subscription.status });
  setPeriodTimers(world, subscription);
  const invoice = createSubscriptionInvoice(world, subscription, "subscription_cycle", (draft) =>
    linesOfPeriod(world, draft, subscription, (item) => renewedPeriod(before, item)),
  );
  refreshEntitlements(world, subscription.customer);
  // What an unpaid subscription would owe waits as a draft until somebody decides.
  if (subscription.status === "unpaid") invoice.auto_advance = false;
  else scheduleFinalization(world, invoice);
}

function roll(item: SubscriptionItem, anchor: number, at: number): void {
  if (item.current_period_end > at) return;
  item.current_period_start = item.current_period_end;
  item.current_period_end = endOf(item.price, anchor, at);
}

/** What a renewal bills of an item: the period that begins, or for usage the one that has ended. */
function renewedPeriod(before: readonly SubscriptionItem[], item: SubscriptionItem): Period | null {
  const old = before.find(({ id }) => id === item.id);
  if (!old || old.current_period_end === item.current_period_end) return null;
  return item.price.recurring?.usage_type === "metered"
    ? { start: old.current_period_start, end: old.current_period_end }
    : { start: item.current_period_start, end: item.current_period_end };
}

/** True where the trial's end without a card ends or pauses the subscription. */
function endTrialWithoutCard(world: World, subscription: Subscription): boolean {
  const customer = find(world, "customer", subscription.customer);
  const card = subscription.default_payment_method ?? customer?.invoice_settings.default_payment_method;
  const behavior = subscription.trial_settings.end_behavior.missing_payment_method;
  if (card != null || behavior === "create_invoice") return false;
  if (behavior === "cancel") end(world, subscription, null);
  else {
    update(world, subscription, { status: "paused", trial_end: now(world) });
    emit(world, "customer.subscription.paused", subscription);
    refreshEntitlements(world, subscription.customer);
  }
  return true;
}

/** A paused one goes on: with a new period from now, or the one it had. */
export function resume(world: World, subscription: Subscription, anchor: "now" | "unchanged"): Invoice | null {
  const at = now(world);
  clearTimer(world, "pause_ends", subscription.id);
  const items = copy(subscription.items);
  const billing_cycle_anchor = anchor === "now" ? at : subscription.billing_cycle_anchor;
  for (const item of items.data)
    Object.assign(item, {
      current_period_start: anchor === "now" ? at : startOf(item.price, billing_cycle_anchor, at),
      current_period_end: endOf(item.price, billing_cycle_anchor, at),
    });
  update(world, subscription, { items, billing_cycle_anchor, status: "active" });
  emit(world, "customer.subscription.resumed", subscription);
  setPeriodTimers(world, subscription);
  refreshEntitlements(world, subscription.customer);
  const invoice = createSubscriptionInvoice(world, subscription, "subscription_cycle", (draft) =>
    linesOfPeriod(world, draft, subscription, (item) => ({
      start: item.current_period_start,
      end: item.current_period_end,
    })),
  );
  finalizeInvoice(world, invoice);
  if (invoice.status === "open") payInvoice(world, invoice, cardFor(world, invoice), { onSession: false });
  return invoice;
}

export function pause(world: World, subscription: Subscription): void {
  clearTimer(world, "period_ends", subscription.id);
  clearTimer(world, "invoice_upcoming", subscription.id);
  update(world, subscription, { status: "paused" });
  emit(world, "customer.subscription.paused", subscription);
  refreshEntitlements(world, subscription.customer);
}

/** `pause_collection` runs out. */
export function resumeCollection(world: World, subscription: Subscription): void {
  update(world, subscription, { pause_collection: null });
}

/** 23 hours without the first payment. */
export function expireIncomplete(world: World, subscription: Subscription): void {
  if (subscription.status !== "incomplete") return;
  for (const kind of ["period_ends", "invoice_upcoming"] as const) clearTimer(world, kind, subscription.id);
  update(world, subscription, { status: "incomplete_expired", ended_at: now(world) });
  closeScheduleOf(world, subscription, "payment_failed");
  for (const invoice of openInvoicesOf(world, subscription)) voidInvoice(world, invoice);
}

export interface CancellationDetails {
  comment?: string | null | undefined;
  feedback?: string | null | undefined;
}

/** To end at the period's end. */
export function cancelAtPeriodEnd(world: World, subscription: Subscription, details: CancellationDetails): void {
  clearTimer(world, "cancels", subscription.id);
  update(world, subscription, {
    cancel_at_period_end: true,
    cancel_at: nextPeriodEnd(subscription),
    canceled_at: now(world),
    cancellation_details: requested(details),
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
    canceled_at: now(world),
    cancellation_details: requested(details),
  });
  setTimer(world, "cancels", subscription.id, at);
}

function requested(details: CancellationDetails): Subscription["cancellation_details"] {
  return {
    comment: details.comment ?? null,
    feedback: details.feedback ?? null,
    feedback_option: null,
    reason: "cancellation_requested",
  };
}

export function undoCancellation(world: World, subscription: Subscription): void {
  clearTimer(world, "cancels", subscription.id);
  update(world, subscription, {
    cancel_at_period_end: false,
    cancel_at: null,
    canceled_at: null,
    cancellation_details: { comment: null, feedback: null, feedback_option: null, reason: null },
  });
}

/** Ends it now. */
export function end(
  world: World,
  subscription: Subscription,
  reason: "cancellation_requested" | "payment_failed" | null,
): void {
  if (isOver(subscription)) return;
  for (const kind of ["period_ends", "cancels", "trial_will_end", "incomplete_expires", "invoice_upcoming"] as const)
    clearTimer(world, kind, subscription.id);
  subscription.status = "canceled";
  subscription.ended_at = now(world);
  subscription.canceled_at ??= now(world);
  subscription.cancel_at_period_end = false;
  if (reason !== null) subscription.cancellation_details.reason = reason;
  emit(world, "customer.subscription.deleted", subscription);
  closeScheduleOf(world, subscription, reason);
  stopCollecting(world, subscription);
  refreshEntitlements(world, subscription.customer);
}

/** The trial is over now, or lasts until another instant. */
export function moveTrialEnd(world: World, subscription: Subscription, trialEnd: number | "now"): Invoice | null {
  const at = now(world);
  if (trialEnd === "now") {
    if (subscription.status !== "trialing") return null;
    clearTimer(world, "trial_will_end", subscription.id);
    if (endTrialWithoutCard(world, subscription)) {
      clearTimer(world, "period_ends", subscription.id);
      return null;
    }
    const items = copy(subscription.items);
    for (const item of items.data)
      Object.assign(item, { current_period_start: at, current_period_end: endOf(item.price, at, at) });
    update(world, subscription, { items, status: "active", trial_end: at, billing_cycle_anchor: at });
    setPeriodTimers(world, subscription);
    const invoice = createSubscriptionInvoice(world, subscription, "subscription_update", (draft) =>
      linesOfPeriod(world, draft, subscription, (item) => ({
        start: item.current_period_start,
        end: item.current_period_end,
      })),
    );
    finalizeInvoice(world, invoice);
    if (invoice.status === "open") payInvoice(world, invoice, cardFor(world, invoice), { onSession: true });
    return invoice;
  }
  const items = copy(subscription.items);
  for (const item of items.data) item.current_period_end = trialEnd;
  update(world, subscription, {
    items,
    status: "trialing",
    trial_end: trialEnd,
    trial_start: subscription.trial_start ?? at,
    billing_cycle_anchor: trialEnd,
  });
  setPeriodTimers(world, subscription);
  announceTrialEnd(world, subscription, trialEnd);
  return null;
}
