/**
 * Previews invoices. A preview makes the real change and runs the real renewal, takes the invoice, and undoes everything. So a
 * preview and the later invoice can't differ.
 * @see https://docs.stripe.com/api/invoices/create_preview
 */
import { now } from "../core/clock.ts";
import { copy } from "../core/copy.ts";
import { emit } from "../core/events.ts";
import { rehearse } from "../core/rehearsal.ts";
import { find, listBy } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { clearTimer, hasTimer, timersOfKind } from "../core/timers.ts";
import type { DiscountInput } from "../objects/discount.ts";
import type { Invoice } from "../objects/invoice.ts";
import type { Subscription } from "../objects/subscription.ts";
import {
  discountsFor,
  draftInvoice,
  FINALIZE_AFTER_SECONDS,
  moveItemsToInvoice,
  recomputeTotals,
  setLines,
} from "./invoices.ts";
import { redeemAll, redemptionForInvoice } from "./redemptions.ts";
import { endingBalance } from "./settlement.ts";
import { isEnded, nextPeriodEnd } from "./subscription-periods.ts";
import { SUBSCRIPTION_EFFECTS } from "./subscription-timers.ts";

/** The owner of the previewed invoice: a subscription, or a schedule that has not started, or only a customer. */
export interface InvoiceOwner {
  customer: string;
  subscription?: string | null;
  schedule?: string | null;
  /** The currency of an invoice that has no subscription. */
  currency?: string | undefined;
  /** True if the invoice of a customer without a subscription has automatic tax. Default false. */
  automaticTax?: boolean | undefined;
  /** The coupons of an invoice that has no subscription. Undefined if the customer's discount applies. */
  discounts?: readonly DiscountInput[] | null | undefined;
}

/** The largest number of timers that a preview runs until it finds an invoice. */
const MAX_TIMERS = 50;

/**
 * Returns the invoice that follows from a change: the invoice that the function `change` creates at once, or the next invoice
 * after the change. Stores nothing. Returns null if no invoice follows.
 */
export function previewInvoice(context: Context, change: () => InvoiceOwner): Invoice | null {
  return rehearse(context, () => {
    const owner = change();
    return createdInvoice(context, owner) ?? nextInvoice(context, owner);
  });
}

/** Returns the last invoice that the current transaction has created for the owner; null if there is none. */
function createdInvoice(context: Context, owner: InvoiceOwner): Invoice | null {
  const id = subscriptionIdOf(context, owner);
  const drafts = context.pendingEvents
    .filter(({ event }) => event.type === "invoice.created")
    .map(({ event }) => event.data.object as Invoice)
    .filter(({ customer, parent }) =>
      id === null ? customer === owner.customer : parent?.subscription_details.subscription === id,
    );
  const last = drafts.at(-1);
  return last ? toUpcoming(last) : null;
}

function subscriptionIdOf(context: Context, { subscription, schedule }: InvoiceOwner): string | null {
  return subscription ?? find(context, "subscription_schedule", schedule ?? null)?.subscription ?? null;
}

/** Runs the owner's timers until one of them creates an invoice. Returns null if no timer creates an invoice. */
function nextInvoice(context: Context, owner: InvoiceOwner): Invoice | null {
  for (let count = 0; count < MAX_TIMERS; count += 1) {
    const timer = nextTimerOf(context, owner);
    if (!timer) break;
    moveClock(context, timer.at);
    clearTimer(context, timer.kind, timer.id);
    SUBSCRIPTION_EFFECTS[timer.kind](context, timer.id);
    const invoice = createdInvoice(context, owner);
    if (invoice) return invoice;
  }
  return owner.subscription || owner.schedule ? null : invoiceOfPendingItems(context, owner);
}

interface OwnTimer {
  kind: keyof typeof SUBSCRIPTION_EFFECTS;
  id: string;
  at: number;
}

/** Returns the next timer of a subscription or its schedule; null if no timer is set. */
function nextTimerOf(context: Context, owner: InvoiceOwner): OwnTimer | null {
  const subscription = find(context, "subscription", subscriptionIdOf(context, owner));
  const timers: OwnTimer[] = [];
  if (subscription) {
    const { id, cancel_at: ends } = subscription;
    timers.push({ kind: "period_ends", id, at: nextPeriodEnd(subscription) });
    if (ends !== null) timers.push({ kind: "cancels", id, at: ends });
    const resumes = subscription.status === "paused" ? resumeTime(context, id) : null;
    if (resumes !== null) timers.push({ kind: "pause_ends", id, at: resumes });
  }
  const schedule = find(context, "subscription_schedule", owner.schedule ?? subscription?.schedule ?? null);
  if (schedule) {
    const at = schedule.current_phase?.end_date ?? schedule.phases[0]?.start_date ?? now(context);
    timers.push({ kind: "phase_ends", id: schedule.id, at });
  }
  const set = timers.filter(({ kind, id }) => hasTimer(context.account.timers, kind, id));
  return set.toSorted((one, other) => one.at - other.at)[0] ?? null;
}

function resumeTime({ account, clock }: Context, id: string): number | null {
  return timersOfKind(account.timers, clock ?? "", "pause_ends").find((timer) => timer.id === id)?.at ?? null;
}

/** Moves the time of the context's clock. Only a rehearsal may call this, because it runs no timers. */
function moveClock(context: Context, at: number): void {
  const clock = find(context, "test_helpers.test_clock", context.clock);
  if (clock) clock.frozen_time = Math.max(clock.frozen_time, at);
  else context.state.now = Math.max(context.state.now, at);
}

/** Returns the invoice that would contain the customer's pending invoice items; null if the customer has none. */
function invoiceOfPendingItems(context: Context, { customer, ...settings }: InvoiceOwner): Invoice | null {
  const invoice = draftInvoice(context, {
    customer,
    reason: "manual",
    currency: settings.currency,
    automaticTax: settings.automaticTax,
  });
  setLines(context, invoice, moveItemsToInvoice(context, invoice, null));
  invoice.discounts =
    settings.discounts === undefined
      ? discountsFor(context, null, customer)
      : redeemAll(context, settings.discounts ?? [], redemptionForInvoice(invoice));
  recomputeTotals(context, invoice);
  return invoice.lines.data.length === 0 ? null : toUpcoming(invoice);
}

/** Returns a new invoice in the form of a preview. A preview has an ID of its own, because it is not stored. */
function toUpcoming(created: Invoice): Invoice {
  const invoice = copy(created);
  const isRenewal = invoice.billing_reason === "subscription_cycle";
  const attempt = invoice.created + (isRenewal ? FINALIZE_AFTER_SECONDS : 0);
  const proration = invoice.lines.data.find(({ parent }) => parent?.subscription_item_details?.proration);
  Object.assign(invoice, {
    id: `upcoming_${invoice.id}`,
    billing_reason: "upcoming",
    ending_balance: endingBalance(invoice),
    next_payment_attempt: invoice.collection_method === "send_invoice" ? null : attempt,
    webhooks_delivered_at: null,
  });
  if (proration && invoice.parent)
    Object.assign(invoice.parent.subscription_details, { subscription_proration_date: proration.period.start });
  invoice.lines.url = `/v1/invoices/${invoice.id}/lines`;
  for (const line of invoice.lines.data) line.invoice = invoice.id;
  return invoice;
}

/** Returns the customer's subscription with the next invoice; null if the customer has no running subscription. */
export function nextSubscriptionOf(context: Context, customer: string): Subscription | null {
  const running = listBy(context, "subscription", { customer }, (row) => !isEnded(row) && row.status !== "incomplete");
  return running.toSorted((one, other) => nextPeriodEnd(one) - nextPeriodEnd(other))[0] ?? null;
}

/**
 * Emits `invoice.upcoming` with a preview of the renewal invoice. The preview of an invoice has no ID, because it is
 * not stored.
 */
export function emitUpcomingInvoice(context: Context, subscription: Subscription): void {
  if (subscription.status !== "active" && subscription.status !== "trialing" && subscription.status !== "past_due")
    return;
  if (subscription.cancel_at_period_end || subscription.cancel_at !== null) return;
  const owner = { customer: subscription.customer, subscription: subscription.id };
  const preview = rehearse(context, () => nextInvoice(context, owner));
  if (!preview) return;
  const { id: _none, ...upcoming } = preview;
  emit(context, "invoice.upcoming", upcoming);
}
