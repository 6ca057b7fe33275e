/**
 * Makes database records of subscriptions and invoices for tests. A test sets only the fields of a record that matter to the
 * test. The fields of a record that a test does not set have default values.
 */
import type { SubscriptionState } from "../../src/domain/access.ts";
import type { InvoiceRecord, PriceRecord, SubscriptionRecord } from "../../src/domain/records.ts";

export const NOW = Date.UTC(2026, 5, 15, 12);
export const DAY_MS = 86_400_000;

export function subscriptionRecord(changes: Partial<SubscriptionRecord> = {}): SubscriptionRecord {
  return {
    id: "sub_1",
    customerId: "cus_1",
    status: "active",
    createdAt: NOW - 10 * DAY_MS,
    cancelAtPeriodEnd: false,
    cancelAt: null,
    canceledAt: null,
    endedAt: null,
    trialStart: null,
    trialEnd: null,
    defaultPaymentMethodId: null,
    latestInvoiceId: "in_1",
    scheduleId: null,
    merchantCancelAt: null,
    pauseBehavior: null,
    pauseResumesAt: null,
    items: [
      {
        id: "si_1",
        priceId: "price_1",
        productId: "prod_1",
        quantity: 1,
        currentPeriodStart: NOW - 10 * DAY_MS,
        currentPeriodEnd: NOW + 20 * DAY_MS,
      },
    ],
    ...changes,
  };
}

export function invoiceRecord(changes: Partial<InvoiceRecord> = {}): InvoiceRecord {
  return {
    id: "in_1",
    customerId: "cus_1",
    subscriptionId: "sub_1",
    status: "paid",
    currency: "usd",
    total: 900,
    amountPaid: 900,
    amountRemaining: 0,
    attempted: true,
    attemptCount: 1,
    nextPaymentAttemptAt: null,
    hostedInvoiceUrl: "https://invoice.example/1",
    createdAt: NOW - 10 * DAY_MS,
    dueAt: null,
    payment: "succeeded",
    failureMessage: null,
    declineCode: null,
    ...changes,
  };
}

export function priceRecord(changes: Partial<PriceRecord> = {}): PriceRecord {
  return {
    id: "price_1",
    productId: "prod_1",
    active: true,
    lookupKey: null,
    currency: "usd",
    unitAmount: 900,
    interval: "month",
    intervalCount: 1,
    ...changes,
  };
}

export function stateOf(
  subscription: Partial<SubscriptionRecord> = {},
  invoice: Partial<InvoiceRecord> | null = {},
  plan = "premium",
): SubscriptionState {
  return {
    subscription: subscriptionRecord(subscription),
    latestInvoice: invoice && invoiceRecord(invoice),
    unpaidSince: invoice?.status === "open" ? invoiceRecord(invoice).createdAt : null,
    prices: [priceRecord()],
    products: [{ id: "prod_1", name: plan, active: true, plan, app: null }],
    reversals: null,
  };
}
