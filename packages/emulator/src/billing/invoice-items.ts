/** Invoice items: what waits for an invoice. */
import type { TaxRate } from "../resources/tax-rates.ts";
import { newId } from "../core/ids.ts";
import { find, insert, need, now, type World } from "../core/world.ts";
import type { Price } from "../resources/prices.ts";
import { amountFor } from "./pricing.ts";

export type InvoiceItem = ReturnType<typeof newInvoiceItem>;

export interface NewInvoiceItem {
  customer: string;
  subscription?: string | null;
  subscriptionItem?: string;
  price?: Price | null;
  amount?: number;
  currency?: string;
  quantity?: number;
  description?: string | null;
  period?: { start: number; end: number } | undefined;
  proration?: boolean;
  discountable?: boolean;
  metadata?: Record<string, string>;
  taxRates?: TaxRate[];
  date?: number;
  /** What a credit gives back of. */
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

/** What is sold once, beside a subscription: it waits for the next invoice, under its product's name. */
export function addSold(world: World, sold: NewInvoiceItem & { price: Price }): void {
  const description = need(world, "product", sold.price.product).name;
  insert(world, "invoiceitem", newInvoiceItem(world, { ...sold, description }));
}

export function newInvoiceItem(world: World, input: NewInvoiceItem) {
  const at = input.date ?? now(world);
  const quantity = input.quantity ?? 1;
  const price = input.price ?? null;
  const amount = input.amount ?? (price ? amountFor(price, quantity) : 0);
  return {
    id: newId(world, "ii"),
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
    pricing: price
      ? {
          price_details: { price: price.id, product: price.product },
          type: "price_details" as const,
          unit_amount_decimal: input.proration ? String(amount) : (price.unit_amount_decimal ?? String(amount)),
        }
      : null,
    proration: input.proration ?? false,
    ...(input.proration && {
      proration_details: { credited_items: input.creditedItems ?? null, discount_amounts: [] },
    }),
    quantity,
    quantity_decimal: String(quantity),
    tax_rates: input.taxRates ?? ([] as TaxRate[]),
    test_clock: find(world, "customer", input.customer)?.test_clock ?? null,
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
