/** The tables of an account, and by which owner their rows are looked up. */
import type { Product } from "../billing/products.ts";
import type { PaymentMethod } from "../billing/payment-methods.ts";
import type { InvoiceItem } from "../billing/invoice-items.ts";
import type { Customer } from "../billing/customers.ts";
import type { Invoice, InvoicePayment } from "../billing/invoices.ts";
import type { Charge, PaymentIntent } from "../billing/payments.ts";
import type { SetupIntent } from "../billing/setup.ts";
import type { Schedule } from "../billing/schedules.ts";
import type { Subscription } from "../billing/subscriptions.ts";
import type { Refund } from "../billing/refunds.ts";
import type { CreditNote } from "../billing/credit-notes.ts";
import type { BalanceTransaction } from "../billing/balance.ts";
import type { CheckoutSession } from "../resources/checkout-sessions.ts";
import type { Coupon } from "../resources/coupons.ts";

import type { CustomerBalanceTransaction } from "../billing/customer-balance.ts";
import type { Dispute } from "../billing/disputes.ts";
import type { Discount } from "../billing/discounts.ts";
import type { ActiveEntitlement, Feature, ProductFeature } from "../resources/entitlements.ts";

import type { Meter, MeterEvent } from "../resources/meters.ts";

import type { PortalConfiguration, PortalSession } from "../resources/portal-sessions.ts";
import type { Price } from "../resources/prices.ts";

import type { PromotionCode } from "../resources/promotion-codes.ts";
import type { TaxId } from "../resources/tax-ids.ts";
import type { TaxRate } from "../resources/tax-rates.ts";
import type { TestClock } from "../resources/test-clocks.ts";
import type { WebhookEndpoint } from "../resources/webhook-endpoints.ts";
import type { StripeEvent } from "./events.ts";

export interface Tables {
  balance_transaction: Map<string, BalanceTransaction>;
  "billing.meter": Map<string, Meter>;
  "billing.meter_event": Map<string, MeterEvent>;
  "billing_portal.configuration": Map<string, PortalConfiguration>;
  "billing_portal.session": Map<string, PortalSession>;
  charge: Map<string, Charge>;
  "checkout.session": Map<string, CheckoutSession>;
  coupon: Map<string, Coupon>;
  credit_note: Map<string, CreditNote>;
  customer: Map<string, Customer>;
  customer_balance_transaction: Map<string, CustomerBalanceTransaction>;
  discount: Map<string, Discount>;
  dispute: Map<string, Dispute>;
  "entitlements.active_entitlement": Map<string, ActiveEntitlement>;
  "entitlements.feature": Map<string, Feature>;
  event: Map<string, StripeEvent>;
  invoice: Map<string, Invoice>;
  invoice_payment: Map<string, InvoicePayment>;
  invoiceitem: Map<string, InvoiceItem>;
  payment_intent: Map<string, PaymentIntent>;
  payment_method: Map<string, PaymentMethod>;
  price: Map<string, Price>;
  product: Map<string, Product>;
  product_feature: Map<string, ProductFeature>;
  promotion_code: Map<string, PromotionCode>;
  refund: Map<string, Refund>;
  setup_intent: Map<string, SetupIntent>;
  subscription: Map<string, Subscription>;
  subscription_schedule: Map<string, Schedule>;
  tax_id: Map<string, TaxId>;
  tax_rate: Map<string, TaxRate>;
  "test_helpers.test_clock": Map<string, TestClock>;
  webhook_endpoint: Map<string, WebhookEndpoint>;
}

export type TableName = keyof Tables;
export type Row<Name extends TableName> = Tables[Name] extends Map<string, infer Value> ? Value : never;

type Owners<Name extends TableName> = Record<string, (row: Row<Name>) => string | null>;

/** Only fields that never change once the row is there. */
export const INDEXES = {
  balance_transaction: {},
  "billing.meter": {},
  "billing.meter_event": { customer: (row) => row.payload["stripe_customer_id"] ?? null },
  "billing_portal.configuration": {},
  "billing_portal.session": {},
  charge: { payment_intent: (row) => row.payment_intent },
  "checkout.session": {},
  coupon: {},
  credit_note: { invoice: (row) => row.invoice },
  customer: { test_clock: (row) => row.test_clock },
  customer_balance_transaction: { customer: (row) => row.customer },
  discount: {},
  dispute: {},
  "entitlements.active_entitlement": {},
  "entitlements.feature": {},
  event: { day: (row) => String(dayOf(row.created)) },
  invoice: {
    customer: (row) => row.customer,
    subscription: (row) => row.parent?.subscription_details?.subscription ?? null,
  },
  invoice_payment: { invoice: (row) => row.invoice, payment_intent: (row) => row.payment.payment_intent },
  invoiceitem: { customer: (row) => row.customer },
  payment_intent: { customer: (row) => row.customer },
  payment_method: {},
  price: { product: (row) => row.product },
  product: {},
  product_feature: {},
  promotion_code: {},
  refund: { charge: (row) => row.charge },
  setup_intent: { customer: (row) => row.customer },
  subscription: { customer: (row) => row.customer },
  subscription_schedule: {},
  tax_id: { customer: (row) => row.customer },
  tax_rate: {},
  "test_helpers.test_clock": {},
  webhook_endpoint: {},
} satisfies { [Name in TableName]: Owners<Name> };

const DAY_SECONDS = 86_400;

/** The number of the day of an instant in seconds. */
export function dayOf(at: number): number {
  return Math.floor(at / DAY_SECONDS);
}

export function emptyTables(): Tables {
  return Object.fromEntries(Object.keys(INDEXES).map((name) => [name, new Map()])) as unknown as Tables;
}
