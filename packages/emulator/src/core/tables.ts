/** The tables of an account, and the indexes of their rows. */
import type { ActiveEntitlement } from "../objects/active-entitlement.ts";
import type { BalanceTransaction } from "../objects/balance-transaction.ts";
import type { Charge } from "../objects/charge.ts";
import type { CheckoutSession } from "../objects/checkout-session.ts";
import type { Coupon } from "../objects/coupon.ts";
import type { CreditNote } from "../objects/credit-note.ts";
import type { CustomerBalanceTransaction } from "../objects/customer-balance-transaction.ts";
import type { Customer } from "../objects/customer.ts";
import type { Discount } from "../objects/discount.ts";
import type { Dispute } from "../objects/dispute.ts";
import type { StripeEvent } from "../objects/event.ts";
import type { Feature } from "../objects/feature.ts";
import type { InvoiceItem } from "../objects/invoice-item.ts";
import type { InvoicePayment } from "../objects/invoice-payment.ts";
import type { Invoice } from "../objects/invoice.ts";
import type { MeterEvent } from "../objects/meter-event.ts";
import type { Meter } from "../objects/meter.ts";
import type { PaymentIntent } from "../objects/payment-intent.ts";
import type { PaymentMethod } from "../objects/payment-method.ts";
import type { PortalConfiguration } from "../objects/portal-configuration.ts";
import type { PortalSession } from "../objects/portal-session.ts";
import type { Price } from "../objects/price.ts";
import type { ProductFeature } from "../objects/product-feature.ts";
import type { Product } from "../objects/product.ts";
import type { PromotionCode } from "../objects/promotion-code.ts";
import type { Refund } from "../objects/refund.ts";
import type { SetupIntent } from "../objects/setup-intent.ts";
import type { Schedule } from "../objects/subscription-schedule.ts";
import type { Subscription } from "../objects/subscription.ts";
import type { TaxId } from "../objects/tax-id.ts";
import type { TaxRate } from "../objects/tax-rate.ts";
import type { TestClock } from "../objects/test-clock.ts";
import type { WebhookEndpoint } from "../objects/webhook-endpoint.ts";

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

/** The indexed fields of each table. An indexed field must not change after the row is inserted. */
export const INDEXES = {
  balance_transaction: {},
  "billing.meter": {},
  "billing.meter_event": { customer: (row) => row.payload["stripe_customer_id"] ?? null },
  "billing_portal.configuration": {},
  "billing_portal.session": {},
  charge: { payment_intent: (row) => row.payment_intent },
  "checkout.session": { customer: (row) => row.customer },
  coupon: {},
  credit_note: { invoice: (row) => row.invoice },
  customer: { test_clock: (row) => row.test_clock },
  customer_balance_transaction: { customer: (row) => row.customer },
  discount: {},
  dispute: { charge: (row) => row.charge },
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
  subscription_schedule: { customer: (row) => row.customer },
  tax_id: { customer: (row) => row.customer },
  tax_rate: {},
  "test_helpers.test_clock": {},
  webhook_endpoint: {},
} satisfies { [Name in TableName]: Owners<Name> };

const DAY_SECONDS = 86_400;

/** Returns the day of a time in epoch seconds, as the number of days since 1970. */
export function dayOf(at: number): number {
  return Math.floor(at / DAY_SECONDS);
}

export function emptyTables(): Tables {
  return Object.fromEntries(Object.keys(INDEXES).map((name) => [name, new Map()])) as unknown as Tables;
}
