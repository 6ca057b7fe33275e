/**
 * Invoice items. An invoice item is an amount that the customer's next invoice includes.
 * @see https://docs.stripe.com/api/invoiceitems/object
 */
import { now, testClockOf } from "../core/clock.ts";
import { newId } from "../core/ids.ts";
import type { ObjectSource } from "../core/object-source.ts";
import type { Price } from "./price.ts";
import type { TaxRate } from "./tax-rate.ts";

export type InvoiceItem = ReturnType<typeof newInvoiceItem>;

export interface NewInvoiceItem {
  customer: string;
  subscription?: string | null;
  subscriptionItem?: string;
  price?: Price | null;
  /** The amount of the invoice item in minor units. */
  amount: number;
  currency?: string;
  quantity?: number;
  description?: string | null;
  period?: { start: number; end: number } | undefined;
  proration?: boolean;
  discountable?: boolean;
  metadata?: Record<string, string>;
  taxRates?: TaxRate[];
  date?: number;
  /**
   * For a credit, this field contains the invoice item or invoice lines that first charged the credited amount. Null otherwise.
   */
  creditedItems?: CreditedItems | null;
}

/** @see https://docs.stripe.com/api/invoiceitems/object#invoiceitem_object-proration_details-credited_items */
export type CreditedItems =
  | { type: "invoice_item"; invoice_item: string }
  | { type: "invoice_line_items"; invoice_line_item_details: CreditedLines };

interface CreditedLines {
  invoice: string;
  invoice_line_items: string[];
}

export function newInvoiceItem(source: ObjectSource, input: NewInvoiceItem) {
  const at = input.date ?? now(source);
  const { amount, quantity = 1, price = null, proration = false } = input;
  return {
    id: newId(source, "ii"),
    object: "invoiceitem" as const,
    amount,
    currency: input.currency ?? price?.currency ?? "usd",
    customer: input.customer,
    customer_account: null,
    date: at,
    description: input.description ?? null,
    discountable: input.discountable ?? true,
    discounts: [] as string[],
    invoice: null as string | null,
    livemode: false as const,
    metadata: input.metadata ?? {},
    net_amount: amount,
    parent: parentOf(input),
    period: input.period ?? { end: at, start: at },
    pricing: price && pricingOf(price, amount, proration),
    proration,
    ...(proration && {
      proration_details: { credited_items: input.creditedItems ?? null, discount_amounts: [] },
    }),
    quantity,
    quantity_decimal: String(quantity),
    tax_rates: input.taxRates ?? ([] as TaxRate[]),
    test_clock: testClockOf(source, input.customer),
  };
}

function pricingOf(price: Price, amount: number, proration: boolean) {
  return {
    price_details: { price: price.id, product: price.product },
    type: "price_details" as const,
    unit_amount_decimal: proration ? null : (price.unit_amount_decimal ?? String(amount)),
  };
}

export interface ItemParent {
  subscription_details: { subscription: string; subscription_item?: string };
  type: "subscription_details";
}

function parentOf({ subscription, subscriptionItem }: NewInvoiceItem): ItemParent | null {
  if (!subscription) return null;
  return {
    subscription_details: { subscription, ...(subscriptionItem && { subscription_item: subscriptionItem }) },
    type: "subscription_details",
  };
}
