/** Invoices: draft, finalized, paid or given up. @see https://docs.stripe.com/invoicing/integration/workflow-transitions */
import type { TaxRate } from "../resources/tax-rates.ts";
import type { InvoiceItem } from "./invoice-items.ts";
import { ApiError } from "../core/errors.ts";
import { change, emit } from "../core/events.ts";
import { clearTimer, setTimer } from "../core/timers.ts";
import { newId } from "../core/ids.ts";
import { find, insert, need, now, of, type World } from "../core/world.ts";

import { applyDiscounts, stillCounts } from "./discounts.ts";
import { lineOfInvoiceItem, linesOfItem, type InvoiceLine, type Period } from "./invoice-lines.ts";
import { cancelPayment, type PaymentIntent } from "./payments.ts";
import type { Subscription } from "./subscriptions.ts";
import { applyTaxes, sumTaxes } from "./taxes.ts";

const DAY = 86_400;
/** A renewal waits as a draft this long. */
const FINALIZE_AFTER = 3_600;

export type InvoiceReason =
  | "manual"
  | "subscription_create"
  | "subscription_cycle"
  | "subscription_update"
  | "upcoming";
export type Invoice = ReturnType<typeof newInvoice>;

export interface NewInvoice {
  customer: string;
  subscription?: Subscription | null;
  reason: InvoiceReason;
  currency?: string | undefined;
  period?: Period | undefined;
  autoAdvance?: boolean;
  collectionMethod?: "charge_automatically" | "send_invoice" | undefined;
  daysUntilDue?: number | null;
  description?: string | null;
  footer?: string | null;
  metadata?: Record<string, string>;
  discounts?: string[];
  defaultPaymentMethod?: string | null;
  defaultTaxRates?: TaxRate[];
}

/** An empty draft. */
export function newInvoice(world: World, input: NewInvoice) {
  const id = newId(world, "in");
  const customer = need(world, "customer", input.customer, "customer");
  const subscription = input.subscription ?? null;
  const at = now(world);
  const days = input.daysUntilDue ?? subscription?.days_until_due ?? null;
  return {
    id,
    object: "invoice" as const,
    account_country: "US",
    account_name: "Emulator",
    account_tax_ids: null,
    amount_due: 0,
    amount_overpaid: 0,
    amount_paid: 0,
    amount_remaining: 0,
    amount_shipping: 0,
    application: null,
    attempt_count: 0,
    attempted: false,
    auto_advance: input.autoAdvance ?? subscription !== null,
    automatic_tax: { disabled_reason: null, enabled: false, liability: null, provider: null, status: null },
    automatically_finalizes_at: null as number | null,
    billing_reason: input.reason,
    collection_method: input.collectionMethod ?? subscription?.collection_method ?? "charge_automatically",
    created: at,
    currency: subscription?.currency ?? input.currency ?? customer.currency ?? "usd",
    custom_fields: null,
    customer: input.customer,
    customer_account: null,
    customer_address: customer.address,
    customer_email: customer.email,
    customer_name: customer.name,
    customer_phone: customer.phone,
    customer_shipping: customer.shipping,
    customer_tax_exempt: customer.tax_exempt,
    customer_tax_ids: taxIdsOf(world, customer.id),
    default_payment_method: input.defaultPaymentMethod ?? null,
    default_source: null,
    default_tax_rates: input.defaultTaxRates ?? subscription?.default_tax_rates ?? ([] as TaxRate[]),
    description: input.description ?? subscription?.description ?? null,
    discounts: input.discounts ?? ([] as string[]),
    due_date: days === null ? null : at + days * DAY,
    effective_at: null as number | null,
    ending_balance: null as number | null,
    footer: input.footer ?? null,
    from_invoice: null,
    hosted_invoice_url: null as string | null,
    invoice_pdf: null as string | null,
    issuer: { type: "self" as const },
    last_finalization_error: null,
    latest_revision: null,
    lines: {
      object: "list" as const,
      data: [] as InvoiceLine[],
      has_more: false,
      total_count: 0,
      url: `/v1/invoices/${id}/lines`,
    },
    livemode: false as const,
    metadata: input.metadata ?? {},
    next_payment_attempt: null as number | null,
    number: null as string | null,
    on_behalf_of: null,
    parent: parentOf(subscription),
    payment_settings: { default_mandate: null, payment_method_options: null, payment_method_types: null },
    period_end: input.period?.end ?? at,
    period_start: input.period?.start ?? at,
    post_payment_credit_notes_amount: 0,
    pre_payment_credit_notes_amount: 0,
    receipt_number: null,
    rendering:
      input.reason === "manual"
        ? { amount_tax_display: null, pdf: { page_size: "auto" }, template: null, template_version: null }
        : null,
    shipping_cost: null,
    shipping_details: null,
    starting_balance: 0,
    statement_descriptor: null,
    status: "draft" as "draft" | "open" | "paid" | "void" | "uncollectible",
    status_transitions: {
      finalized_at: null as number | null,
      marked_uncollectible_at: null as number | null,
      paid_at: null as number | null,
      voided_at: null as number | null,
    },
    subtotal: 0,
    subtotal_excluding_tax: 0,
    test_clock: customer.test_clock,
    total: 0,
    total_discount_amounts: [] as { amount: number; discount: string }[],
    total_excluding_tax: 0,
    total_pretax_credit_amounts: [] as { amount: number; discount: string; type: "discount" }[],
    total_taxes: [] as InvoiceLine["taxes"],
    webhooks_delivered_at: null as number | null,
  };
}

function taxIdsOf(world: World, customer: string): { type: string; value: string }[] {
  return of(world, "tax_id", "customer", customer).map(({ type, value }) => ({ type, value }));
}

function parentOf(subscription: Subscription | null) {
  return (
    subscription && {
      quote_details: null,
      subscription_details: { metadata: { ...subscription.metadata }, subscription: subscription.id },
      type: "subscription_details" as const,
    }
  );
}

export interface InvoicePayment {
  id: string;
  object: "invoice_payment";
  amount_paid: number | null;
  amount_requested: number;
  created: number;
  currency: string;
  invoice: string;
  is_default: boolean;
  livemode: false;
  payment: { payment_intent: string; type: "payment_intent" };
  status: "open" | "paid" | "canceled";
  status_transitions: { canceled_at: number | null; paid_at: number | null };
}

/** Keeps a draft with its lines, and tells of it. */
export function issueDraft(world: World, invoice: Invoice, subscription: Subscription | null): Invoice {
  insert(world, "invoice", invoice);
  if (subscription) subscription.latest_invoice = invoice.id;
  const event = emit(world, "invoice.created", invoice);
  if (event.pending_webhooks === 0) invoice.webhooks_delivered_at = now(world);
  world.account.createdEvents.set(invoice.id, event.id);
  return invoice;
}

/** A draft for a subscription: what waited, then its items over their current period. */
export function createSubscriptionInvoice(
  world: World,
  subscription: Subscription,
  reason: InvoiceReason,
  lines: (invoice: Invoice) => InvoiceLine[],
): Invoice {
  const invoice = newInvoice(world, { customer: subscription.customer, subscription, reason });
  invoice.discounts = discountsFor(world, subscription);
  const waiting = takePendingItems(world, invoice, subscription.id);
  setLines(world, invoice, [...waiting, ...lines(invoice)]);
  return issueDraft(world, invoice, subscription);
}

/** The subscription's own discounts, else the customer's. */
export function discountsFor(world: World, subscription: Subscription | null, customerId?: string): string[] {
  const own = subscription?.discounts ?? [];
  const customer = find(world, "customer", subscription?.customer ?? customerId ?? null);
  const ids = own.length > 0 ? own : customer?.discount ? [customer.discount.id] : [];
  return ids.filter((id) => stillCounts(world, id));
}

/** The lines of what waited for this customer's (or subscription's) next invoice. */
export function takePendingItems(world: World, invoice: Invoice, subscription: string | null): InvoiceLine[] {
  return pendingItems(world, invoice.customer, subscription, invoice.currency).map((item) => {
    item.invoice = invoice.id;
    return lineOfInvoiceItem(world, invoice.id, item);
  });
}

export function pendingItems(
  world: World,
  customer: string,
  subscription: string | null,
  currency: string,
): InvoiceItem[] {
  return of(world, "invoiceitem", "customer", customer, (item) => {
    const owner = item.parent?.subscription_details?.subscription ?? null;
    return item.invoice === null && item.currency === currency && (owner === null || owner === subscription);
  });
}

export function linesOfPeriod(
  world: World,
  invoice: Invoice,
  subscription: Subscription,
  periodOf: (item: Subscription["items"]["data"][number]) => Period | null,
): InvoiceLine[] {
  return subscription.items.data.flatMap((item) => {
    const period = periodOf(item);
    return period === null ? [] : linesOfItem(world, invoice.id, subscription, item, period);
  });
}

/** Replaces the lines of a draft, and adds everything up again. */
export function setLines(world: World, invoice: Invoice, lines: InvoiceLine[]): void {
  invoice.lines.data = lines;
  invoice.lines.total_count = lines.length;
  addUp(world, invoice);
}

export function addUp(world: World, invoice: Invoice): void {
  const lines = invoice.lines.data;
  applyDiscounts(world, lines, invoice.discounts);
  applyTaxes(lines, (line) => ratesOf(world, invoice, line as InvoiceLine));
  const discounts = sumDiscounts(lines);
  const off = discounts.reduce((all, { amount }) => all + amount, 0);
  const taxes = sumTaxes(lines);
  const sumOf = (behavior: "exclusive" | "inclusive") =>
    taxes.filter((tax) => tax.tax_behavior === behavior).reduce((all, { amount }) => all + amount, 0);
  const sum = lines.reduce((all, { amount }) => all + amount, 0);
  // What is taken off single lines is no discount of the invoice's: its subtotal comes after it.
  const offLines = lines.reduce((all, line) => all + offOwn(line), 0);
  const subtotal = sum - offLines;
  const total = sum - off + sumOf("exclusive");
  const start = find(world, "customer", invoice.customer)?.balance ?? 0;
  Object.assign(invoice, {
    subtotal,
    subtotal_excluding_tax: subtotal - sumOf("inclusive"),
    total,
    total_discount_amounts: discounts,
    total_pretax_credit_amounts: discounts.map((discount) => ({ ...discount, type: "discount" })),
    total_taxes: taxes,
    total_excluding_tax: total - sumOf("inclusive") - sumOf("exclusive"),
    starting_balance: start,
    amount_due: Math.max(0, total + start),
    amount_remaining: Math.max(0, total + start),
  });
}

function ratesOf(world: World, invoice: Invoice, line: InvoiceLine): readonly TaxRate[] {
  const itemId = line.parent?.subscription_item_details?.subscription_item;
  const subscription = find(world, "subscription", line.subscription);
  const own = subscription?.items.data.find((item) => item.id === itemId)?.tax_rates ?? [];
  const waiting = find(world, "invoiceitem", line.parent?.invoice_item_details?.invoice_item ?? null)?.tax_rates ?? [];
  if (own.length > 0) return own;
  return waiting.length > 0 ? waiting : invoice.default_tax_rates;
}

function offOwn(line: InvoiceLine): number {
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

/** Sets the hour after which a draft is finalized. */
export function scheduleFinalization(world: World, invoice: Invoice): void {
  invoice.automatically_finalizes_at = now(world) + FINALIZE_AFTER;
  setTimer(world, "invoice_finalizes", invoice.id, invoice.automatically_finalizes_at);
}

export function voidInvoice(world: World, invoice: Invoice): void {
  if (invoice.status !== "open" && invoice.status !== "uncollectible")
    throw new ApiError(`You can only pass in open or uncollectible invoices. This invoice is ${invoice.status}.`, {
      code: "invoice_not_editable",
    });
  clearTimer(world, "invoice_retries", invoice.id);
  const intent = intentOf(world, invoice);
  if (intent) cancelPayment(world, intent, "void_invoice");
  invoice.status = "void";
  Object.assign(invoice, { auto_advance: false, next_payment_attempt: null });
  invoice.status_transitions.voided_at = now(world);
  for (const payment of of(world, "invoice_payment", "invoice", invoice.id))
    if (payment.status === "open") payment.status = "canceled";
  emit(world, "invoice.voided", invoice);
}

export function markUncollectible(world: World, invoice: Invoice): void {
  if (invoice.status !== "open")
    throw new ApiError(`You can only mark open invoices as uncollectible. This invoice is ${invoice.status}.`, {
      code: "invoice_not_editable",
    });
  clearTimer(world, "invoice_retries", invoice.id);
  change(world, "invoice.updated", invoice, (row) => {
    row.status = "uncollectible";
    row.next_payment_attempt = null;
    row.status_transitions.marked_uncollectible_at = now(world);
  });
  emit(world, "invoice.marked_uncollectible", invoice);
}

/** The payment intent that this invoice is paid with, the newest of them. */
export function intentOf(world: World, invoice: Invoice): PaymentIntent | null {
  const payments = of(world, "invoice_payment", "invoice", invoice.id, ({ status }) => status !== "canceled");
  return find(world, "payment_intent", payments.at(-1)?.payment.payment_intent ?? null) ?? null;
}

/** The invoice that a payment intent is for. */
export function invoiceOf(world: World, intent: PaymentIntent): Invoice | null {
  const [payment] = of(world, "invoice_payment", "payment_intent", intent.id);
  return payment ? (find(world, "invoice", payment.invoice) ?? null) : null;
}

export function subscriptionOf(world: World, invoice: Invoice): Subscription | null {
  return find(world, "subscription", invoice.parent?.subscription_details.subscription ?? null) ?? null;
}

export function attachPayment(world: World, invoice: Invoice, intent: PaymentIntent, isDefault = true): InvoicePayment {
  return insert(world, "invoice_payment", {
    id: newId(world, "inpay"),
    object: "invoice_payment",
    amount_paid: null,
    amount_requested: intent.amount,
    created: now(world),
    currency: invoice.currency,
    invoice: invoice.id,
    is_default: isDefault,
    livemode: false,
    payment: { payment_intent: intent.id, type: "payment_intent" },
    status: "open",
    status_transitions: { canceled_at: null, paid_at: null },
  });
}

export function openInvoicesOf(world: World, subscription: Subscription): Invoice[] {
  return of(world, "invoice", "subscription", subscription.id, ({ status }) => status === "open");
}
