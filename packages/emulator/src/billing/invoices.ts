/**
 * Creates draft invoices, computes totals, and sets final statuses.
 * @see https://docs.stripe.com/invoicing/integration/workflow-transitions
 */
import { now } from "../core/clock.ts";
import { amountDue } from "../core/currencies.ts";
import { ApiError } from "../core/errors.ts";
import { emit, emitChange } from "../core/events.ts";
import { newId } from "../core/ids.ts";
import { round } from "../core/money.ts";
import { find, insert, listBy, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { clearTimer, setTimer } from "../core/timers.ts";
import { setEntry } from "../core/transaction.ts";
import type { Coupon } from "../objects/coupon.ts";
import type { InvoiceItem } from "../objects/invoice-item.ts";
import type { InvoiceLine, Period } from "../objects/invoice-line.ts";
import type { InvoicePayment } from "../objects/invoice-payment.ts";
import {
  type Invoice,
  type InvoiceReason,
  type NewInvoice,
  newInvoice,
  type UncollectibleReason,
} from "../objects/invoice.ts";
import type { PaymentIntent } from "../objects/payment-intent.ts";
import type { Subscription } from "../objects/subscription.ts";
import { sumTaxes, taxTotal } from "../objects/line-taxes.ts";
import { balanceIn } from "./customer-balance.ts";
import { applyDiscounts, isDiscountActive, termsOf } from "./discounts.ts";
import { lineOfInvoiceItem, linesOfItem } from "./invoice-lines.ts";
import { cancelPayment } from "./payments.ts";
import { applyInvoiceTaxes } from "./invoice-taxes.ts";
import { useUpDiscounts } from "./subscriber-discounts.ts";
import { netAmount } from "./taxes.ts";

/** The time for which a renewal invoice stays a draft. */
export const FINALIZE_AFTER_SECONDS = 3_600;

/** Returns an empty draft invoice without storing it. Throws if the customer does not exist. */
export function draftInvoice(
  context: Context,
  input: Omit<NewInvoice, "customer" | "customerTaxIds"> & { customer: string },
): Invoice {
  const customer = retrieve(context, "customer", input.customer, "customer");
  return newInvoice(context, { ...input, customer, customerTaxIds: taxIdsOf(context, customer.id) });
}

export function taxIdsOf(context: Context, customer: string): { type: string; value: string }[] {
  return listBy(context, "tax_id", { customer }).map(({ type, value }) => ({ type, value }));
}

/** Stores a draft invoice with its lines and emits `invoice.created`. */
export function storeDraft(context: Context, invoice: Invoice, subscription: Subscription | null): Invoice {
  insert(context, "invoice", invoice);
  if (subscription)
    emitChange(context, "customer.subscription.updated", subscription, (row) => {
      row.latest_invoice = invoice.id;
    });
  const event = emit(context, "invoice.created", invoice);
  if (event.pending_webhooks === 0) invoice.webhooks_delivered_at = now(context);
  setEntry(context, context.account.createdEventByInvoice, invoice.id, event.id);
  useUpDiscounts(context, invoice);
  return invoice;
}

/**
 * Creates a draft invoice for a subscription. The invoice's lines are the pending invoice items, followed by the given
 * lines.
 */
export function createSubscriptionInvoice(
  context: Context,
  subscription: Subscription,
  reason: InvoiceReason,
  lines: (invoice: Invoice) => InvoiceLine[],
): Invoice {
  const invoice = draftInvoice(context, { customer: subscription.customer, subscription, reason });
  invoice.discounts = discountsFor(context, subscription);
  const waiting = moveItemsToInvoice(context, invoice, subscription.id);
  setLines(context, invoice, [...waiting, ...lines(invoice)]);
  return storeDraft(context, invoice, subscription);
}

/**
 * Returns the IDs of the subscription's active discounts, or of the customer's discount if the subscription has none.
 */
export function discountsFor(
  context: Context,
  subscription: Subscription | null,
  customerId?: string,
  at = now(context),
): string[] {
  const own = subscription?.discounts ?? [];
  const customer = find(context, "customer", subscription?.customer ?? customerId ?? null);
  const ids = own.length > 0 ? own : customer?.discount ? [customer.discount.id] : [];
  return ids.filter((id) => isDiscountActive(context, id, at));
}

/** Assigns pending invoice items to the invoice. Returns the invoice lines of the assigned items. */
export function moveItemsToInvoice(context: Context, invoice: Invoice, subscription: string | null): InvoiceLine[] {
  return listPendingItems(context, invoice.customer, subscription, invoice.currency).map((item) => {
    item.invoice = invoice.id;
    return lineOfInvoiceItem(context, invoice.id, item);
  });
}

export function listPendingItems(
  context: Context,
  customer: string,
  subscription: string | null,
  currency: string,
): InvoiceItem[] {
  return listBy(context, "invoiceitem", { customer }, (item) => {
    const owner = item.parent?.subscription_details?.subscription ?? null;
    return item.invoice === null && item.currency === currency && (owner === null || owner === subscription);
  });
}

export function linesOfItems(
  context: Context,
  invoice: Invoice,
  subscription: Subscription,
  periodOf: (item: Subscription["items"]["data"][number]) => Period | null,
): InvoiceLine[] {
  return subscription.items.data.flatMap((item) => {
    const period = periodOf(item);
    return period === null ? [] : linesOfItem(context, invoice.id, { subscription, item, period });
  });
}

/** Replaces the lines of a draft invoice and recomputes its totals. */
export function setLines(context: Context, invoice: Invoice, lines: InvoiceLine[]): void {
  invoice.lines.data = lines;
  invoice.lines.total_count = lines.length;
  recomputeTotals(context, invoice);
}

export function recomputeTotals(context: Context, invoice: Invoice): void {
  const lines = invoice.lines.data;
  applyDiscounts(lines, invoice.discounts, (id) => termsFor(context, invoice, id));
  const rates = applyInvoiceTaxes(context, invoice);
  const discounts = sumDiscounts(lines);
  const off = discounts.reduce((all, { amount }) => all + amount, 0);
  const taxes = sumTaxes(lines);
  const sum = lines.reduce((all, { amount }) => all + amount, 0);
  // A discount on a single invoice line reduces the invoice's subtotal. A discount on the whole invoice does not reduce
  // the subtotal.
  const offLines = lines.reduce((all, line) => all + lineDiscount(line), 0);
  const subtotal = sum - offLines;
  const total = sum - off + taxTotal(taxes, "exclusive");
  const start = balanceIn(context, invoice.customer, invoice.currency);
  const due = amountDue(total + start, invoice.currency);
  Object.assign(invoice, {
    subtotal,
    subtotal_excluding_tax: lines.reduce(
      (all, line) => all + round(netAmount(line.amount - lineDiscount(line), rates.get(line) ?? [])),
      0,
    ),
    total,
    total_discount_amounts: discounts,
    total_pretax_credit_amounts: discounts.map((discount) => ({ ...discount, type: "discount" })),
    total_taxes: taxes,
    total_excluding_tax: total - taxTotal(taxes),
    starting_balance: start,
    amount_due: due,
    amount_remaining: due,
  });
}

/** Returns the terms of a discount for an invoice; null if another invoice has used up the discount. */
function termsFor(context: Context, invoice: Invoice, id: string): Coupon | null {
  const discount = find(context, "discount", id);
  const usedBy = discount?.used_by ?? invoice.id;
  return usedBy === invoice.id ? termsOf(context, discount) : null;
}

function lineDiscount(line: InvoiceLine): number {
  return line.discount_amounts
    .filter(({ discount }) => line.discounts.includes(discount))
    .reduce((all, { amount }) => all + amount, 0);
}

function sumDiscounts(lines: readonly InvoiceLine[]): { amount: number; discount: string }[] {
  const sums = new Map<string, number>();
  for (const line of lines)
    for (const { amount, discount } of line.discount_amounts) sums.set(discount, (sums.get(discount) ?? 0) + amount);
  return [...sums].map(([discount, amount]) => ({ amount, discount }));
}

/** Sets the timer that finalizes a draft invoice after one hour. */
export function scheduleFinalization(context: Context, invoice: Invoice): void {
  invoice.automatically_finalizes_at = now(context) + FINALIZE_AFTER_SECONDS;
  setTimer(context, "invoice_finalizes", invoice.id, invoice.automatically_finalizes_at);
}

export function voidInvoice(context: Context, invoice: Invoice): void {
  if (invoice.status !== "open" && invoice.status !== "uncollectible")
    throw new ApiError(`You can only pass in open or uncollectible invoices. This invoice is ${invoice.status}.`, {
      code: "invoice_not_editable",
    });
  clearTimer(context, "invoice_retries", invoice.id);
  const intent = intentOf(context, invoice);
  if (intent) cancelPayment(context, intent, "void_invoice");
  invoice.status = "void";
  delete invoice.status_details;
  Object.assign(invoice, { auto_advance: false, next_payment_attempt: null });
  invoice.status_transitions.voided_at = now(context);
  for (const payment of listBy(context, "invoice_payment", { invoice: invoice.id }))
    if (payment.status === "open") payment.status = "canceled";
  emit(context, "invoice.voided", invoice);
}

export function markUncollectible(context: Context, invoice: Invoice, reason: UncollectibleReason): void {
  if (invoice.status !== "open")
    throw new ApiError(`You can only mark open invoices as uncollectible. This invoice is ${invoice.status}.`, {
      code: "invoice_not_editable",
    });
  clearTimer(context, "invoice_retries", invoice.id);
  emitChange(context, "invoice.updated", invoice, (row) => {
    row.status = "uncollectible";
    row.status_details = { uncollectible: { reason } };
    row.next_payment_attempt = null;
    row.status_transitions.marked_uncollectible_at = now(context);
  });
  emit(context, "invoice.marked_uncollectible", invoice);
}

/** Returns the newest payment intent of an invoice; null if there is none. */
export function intentOf(context: Context, invoice: Invoice): PaymentIntent | null {
  const payments = listBy(context, "invoice_payment", { invoice: invoice.id }, ({ status }) => status !== "canceled");
  return find(context, "payment_intent", payments.at(-1)?.payment.payment_intent ?? null) ?? null;
}

/** Returns the invoice that a payment intent pays; null if there is none. */
export function invoiceOf(context: Context, intent: PaymentIntent): Invoice | null {
  const [payment] = listBy(context, "invoice_payment", { payment_intent: intent.id });
  return payment ? (find(context, "invoice", payment.invoice) ?? null) : null;
}

export function subscriptionOf(context: Context, invoice: Invoice): Subscription | null {
  return find(context, "subscription", invoice.parent?.subscription_details.subscription ?? null) ?? null;
}

export function attachPayment(
  context: Context,
  invoice: Invoice,
  intent: PaymentIntent,
  isDefault = true,
): InvoicePayment {
  return insert(context, "invoice_payment", {
    id: newId(context, "inpay"),
    object: "invoice_payment",
    amount_paid: null,
    amount_requested: intent.amount,
    created: now(context),
    currency: invoice.currency,
    invoice: invoice.id,
    is_default: isDefault,
    livemode: false,
    payment: { payment_intent: intent.id, type: "payment_intent" },
    status: "open",
    status_transitions: { canceled_at: null, paid_at: null },
  });
}

export function openInvoicesOf(context: Context, subscription: Subscription): Invoice[] {
  return listBy(context, "invoice", { subscription: subscription.id }, ({ status }) => status === "open");
}
