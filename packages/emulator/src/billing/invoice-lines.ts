/** Lines of invoices: from subscription items, and from invoice items that waited. */
import type { InvoiceItem } from "./invoice-items.ts";
import { newId } from "../core/ids.ts";
import { need, type World } from "../core/world.ts";

import type { Product } from "./products.ts";
import { priceParts, type PricedPart } from "./pricing.ts";
import type { LineTax } from "./taxes.ts";
import type { Subscription, SubscriptionItem } from "./subscriptions.ts";
import { usageOf } from "./usage.ts";

export type InvoiceLine = ReturnType<typeof newLine>;

interface LineInput {
  invoice: string;
  amount: number;
  currency: string;
  description: string | null;
  discountable: boolean;
  discounts: string[];
  metadata: Record<string, string>;
  parent: LineParent;
  period: { end: number; start: number };
  price: string | null;
  product: string | null;
  quantity: number | null;
  unitAmountDecimal: string | null;
  subscription: string | null;
}

type LineParent =
  | {
      invoice_item_details: {
        invoice_item: string;
        proration: boolean;
        proration_details: { credited_items: { invoice: string; invoice_line_items: string[] } | null };
        subscription: string | null;
      };
      subscription_item_details: null;
      type: "invoice_item_details";
    }
  | {
      invoice_item_details: null;
      subscription_item_details: {
        invoice_item: null;
        proration: boolean;
        proration_details: { credited_items: null };
        subscription: string;
        subscription_item: string;
      };
      type: "subscription_item_details";
    };

export function newLine(world: World, input: LineInput) {
  return {
    id: newId(world, "il"),
    object: "line_item" as const,
    amount: input.amount,
    currency: input.currency,
    description: input.description,
    discount_amounts: [] as { amount: number; discount: string }[],
    discountable: input.discountable,
    discounts: input.discounts,
    invoice: input.invoice as string | null,
    livemode: false as const,
    metadata: input.metadata,
    parent: input.parent as LineParent | null,
    period: input.period,
    pretax_credit_amounts: [] as { amount: number; discount: string; type: "discount" }[],
    pricing:
      input.price === null || input.product === null
        ? null
        : {
            price_details: { price: input.price, product: input.product },
            type: "price_details" as const,
            unit_amount_decimal: input.unitAmountDecimal,
          },
    quantity: input.quantity,
    quantity_decimal: input.quantity === null ? null : String(input.quantity),
    subscription: input.subscription,
    subtotal: input.amount,
    taxes: [] as LineTax[],
  };
}

export interface Period {
  start: number;
  end: number;
}

/** What a subscription's item asks for a period; in a trial, nothing. */
export function linesOfItem(
  world: World,
  invoice: string,
  subscription: Subscription,
  item: SubscriptionItem,
  period: Period,
): InvoiceLine[] {
  const product = need(world, "product", item.price.product);
  const inTrial = subscription.status === "trialing" || subscription.trial_end === period.end;
  return partsOf(world, subscription, item, period, inTrial, product).map((part) =>
    newLine(world, {
      invoice,
      amount: part.amount,
      currency: item.price.currency,
      description: part.description,
      discountable: true,
      discounts: [...item.discounts],
      metadata: { ...subscription.metadata },
      parent: {
        invoice_item_details: null,
        subscription_item_details: {
          invoice_item: null,
          proration: false,
          proration_details: { credited_items: null },
          subscription: subscription.id,
          subscription_item: item.id,
        },
        type: "subscription_item_details",
      },
      period,
      price: item.price.id,
      product: item.price.product,
      quantity: part.quantity,
      unitAmountDecimal: part.unitAmountDecimal,
      subscription: subscription.id,
    }),
  );
}

function partsOf(
  world: World,
  subscription: Subscription,
  item: SubscriptionItem,
  period: Period,
  inTrial: boolean,
  { name, unit_label: unit }: Product,
): PricedPart[] {
  const metered = item.price.recurring?.usage_type === "metered";
  const quantity = metered ? usageOf(world, subscription.customer, item.price, period) : (item.quantity ?? 1);
  if (inTrial && metered) return [];
  if (inTrial) {
    const what = `${quantity} ${unit ? `${unit} ` : ""}× ${name}`;
    return [{ amount: 0, quantity, unitAmountDecimal: "0", description: `Free trial for ${what}` }];
  }
  return priceParts(item.price, quantity, name, unit);
}

export function lineOfInvoiceItem(world: World, invoice: string, item: InvoiceItem): InvoiceLine {
  const credited = item.proration_details?.credited_items ?? null;
  return newLine(world, {
    invoice,
    amount: item.amount,
    currency: item.currency,
    description: item.description,
    discountable: item.discountable,
    discounts: [...item.discounts],
    metadata: { ...item.metadata },
    parent: {
      invoice_item_details: {
        invoice_item: item.id,
        proration: item.proration,
        proration_details: {
          credited_items: credited?.type === "invoice_line_items" ? credited.invoice_line_item_details : null,
        },
        subscription: item.parent?.subscription_details?.subscription ?? null,
      },
      subscription_item_details: null,
      type: "invoice_item_details",
    },
    period: item.period,
    price: item.pricing?.price_details?.price ?? null,
    product: item.pricing?.price_details?.product ?? null,
    quantity: item.quantity,
    unitAmountDecimal: item.pricing?.unit_amount_decimal ?? null,
    subscription: item.parent?.subscription_details?.subscription ?? null,
  });
}
