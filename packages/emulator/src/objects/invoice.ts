/** Invoices. @see https://docs.stripe.com/api/invoices/object */
import { now } from "../core/clock.ts";
import { newId } from "../core/ids.ts";
import type { ObjectSource } from "../core/object-source.ts";
import { invoiceTax } from "./automatic-tax.ts";
import type { Customer } from "./customer.ts";
import type { InvoiceLine, Period } from "./invoice-line.ts";
import type { Subscription } from "./subscription.ts";
import type { TaxRate } from "./tax-rate.ts";

const DAY = 86_400;

export type InvoiceReason =
  | "manual"
  | "subscription_create"
  | "subscription_cycle"
  | "subscription_update"
  | "upcoming";

export type Invoice = ReturnType<typeof newInvoice> & {
  /** Present only while the invoice is uncollectible. */
  status_details?: { uncollectible: { reason: UncollectibleReason } };
};

export type UncollectibleReason = "subscription_paused" | "user_forgiven";

export interface NewInvoice {
  customer: Customer;
  customerTaxIds: { type: string; value: string }[];
  subscription?: Subscription | null;
  reason: InvoiceReason;
  currency?: string | undefined;
  period?: Period | undefined;
  autoAdvance?: boolean;
  collectionMethod?: "charge_automatically" | "send_invoice" | undefined;
  daysUntilDue?: number | null;
  /** The time at which the payment is due, if it does not follow from a number of days. */
  dueDate?: number | null;
  description?: string | null;
  footer?: string | null;
  metadata?: Record<string, string>;
  discounts?: string[];
  defaultPaymentMethod?: string | null;
  defaultTaxRates?: TaxRate[];
  automaticTax?: boolean | undefined;
}

/** Returns an empty draft invoice. */
export function newInvoice(source: ObjectSource, input: NewInvoice) {
  const { customer, subscription = null } = input;
  const id = newId(source, "in");
  const at = now(source);
  return {
    id,
    object: "invoice" as const,
    account_country: source.state.tax.country,
    account_name: "Emulator",
    account_tax_ids: null,
    ...NO_AMOUNTS,
    application: null,
    attempt_count: 0,
    attempted: false,
    auto_advance: input.autoAdvance ?? subscription !== null,
    automatic_tax: invoiceTax(input.automaticTax ?? subscription?.automatic_tax.enabled ?? false),
    automatically_finalizes_at: null as number | null,
    billing_reason: input.reason,
    collection_method: input.collectionMethod ?? subscription?.collection_method ?? "charge_automatically",
    created: at,
    currency: subscription?.currency ?? input.currency ?? customer.currency ?? "usd",
    custom_fields: null,
    ...customerFields(customer, input.customerTaxIds),
    ...defaultsOf(input),
    discounts: input.discounts ?? ([] as string[]),
    due_date: dueDateOf(input, at),
    effective_at: null as number | null,
    ending_balance: null as number | null,
    footer: input.footer ?? null,
    from_invoice: null as { action: "revision"; invoice: string } | null,
    hosted_invoice_url: null as string | null,
    invoice_pdf: null as string | null,
    issuer: { type: "self" as const },
    last_finalization_error: null as { code: string; message: string; type: string } | null,
    latest_revision: null as string | null,
    lines: noLines(id),
    livemode: false as const,
    metadata: input.metadata ?? {},
    next_payment_attempt: null as number | null,
    number: null as string | null,
    on_behalf_of: null,
    parent: parentOf(subscription),
    payment_settings: { default_mandate: null, payment_method_options: null, payment_method_types: null },
    period_end: input.period?.end ?? at,
    period_start: input.period?.start ?? at,
    ...laterFields(input.reason),
    test_clock: customer.test_clock,
    ...noTotals(),
    webhooks_delivered_at: null as number | null,
  };
}

const NO_AMOUNTS = { amount_due: 0, amount_overpaid: 0, amount_paid: 0, amount_remaining: 0, amount_shipping: 0 };

/** Returns the fields of an invoice that equal the customer's fields until the invoice is finalized. */
export function customerFields(customer: Customer, taxIds: { type: string; value: string }[]) {
  return {
    customer: customer.id,
    customer_account: null,
    customer_address: customer.address,
    customer_email: customer.email,
    customer_name: customer.name,
    customer_phone: customer.phone,
    customer_shipping: customer.shipping,
    customer_tax_exempt: customer.tax_exempt,
    customer_tax_ids: taxIds,
  };
}

function defaultsOf({ subscription, ...input }: NewInvoice) {
  return {
    default_payment_method: input.defaultPaymentMethod ?? null,
    default_source: null,
    default_tax_rates: input.defaultTaxRates ?? subscription?.default_tax_rates ?? ([] as TaxRate[]),
    description: input.description ?? subscription?.description ?? null,
  };
}

function dueDateOf({ daysUntilDue, dueDate = null, subscription }: NewInvoice, at: number): number | null {
  if (dueDate !== null) return dueDate;
  const days = daysUntilDue ?? subscription?.days_until_due ?? null;
  return days === null ? null : at + days * DAY;
}

function noLines(invoice: string) {
  return {
    object: "list" as const,
    data: [] as InvoiceLine[],
    has_more: false,
    total_count: 0,
    url: `/v1/invoices/${invoice}/lines`,
  };
}

/** Returns the initial values of the fields that finalization and payment change later. */
function laterFields(reason: InvoiceReason) {
  return {
    post_payment_credit_notes_amount: 0,
    pre_payment_credit_notes_amount: 0,
    receipt_number: null,
    rendering:
      reason === "manual"
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
  };
}

function noTotals() {
  return {
    total: 0,
    total_discount_amounts: [] as { amount: number; discount: string }[],
    total_excluding_tax: 0,
    total_pretax_credit_amounts: [] as { amount: number; discount: string; type: "discount" }[],
    total_taxes: [] as InvoiceLine["taxes"],
  };
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
