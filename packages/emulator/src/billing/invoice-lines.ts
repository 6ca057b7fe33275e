/** Creates invoice lines from subscription items and from invoice items. */
import { retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { InvoiceItem } from "../objects/invoice-item.ts";
import { type InvoiceLine, type LineParent, newInvoiceLine, type Period } from "../objects/invoice-line.ts";
import type { Product } from "../objects/product.ts";
import type { Subscription, SubscriptionItem } from "../objects/subscription.ts";
import { priceIn } from "./presentment.ts";
import { type PricedPart, priceParts } from "./pricing.ts";
import { usageOf } from "./usage.ts";

/** A subscription item and the period that it is billed for. */
interface BilledItem {
  subscription: Subscription;
  item: SubscriptionItem;
  period: Period;
}

/**
 * Returns the invoice lines of a subscription item for a period. During a trial, the amounts of the invoice lines are
 * 0.
 */
export function linesOfItem(
  context: Context,
  invoice: string,
  { subscription, item, period }: BilledItem,
): InvoiceLine[] {
  const product = retrieve(context, "product", item.price.product);
  return partsOf(context, { subscription, item, period }, product).map((part) =>
    newInvoiceLine(context, {
      invoice,
      amount: part.amount,
      currency: subscription.currency,
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
    }),
  );
}

function partsOf(
  context: Context,
  { subscription, item, period }: BilledItem,
  { name, unit_label: unit }: Product,
): PricedPart[] {
  const inTrial = subscription.status === "trialing" || subscription.trial_end === period.end;
  const metered = item.price.recurring?.usage_type === "metered";
  const quantity = metered ? usageOf(context, subscription.customer, item.price, period) : (item.quantity ?? 1);
  if (inTrial && metered) return [];
  if (inTrial) {
    const what = `${quantity} ${unit ? `${unit} ` : ""}× ${name}`;
    return [{ amount: 0, quantity, unitAmountDecimal: "0", description: `Free trial for ${what}` }];
  }
  return priceParts(priceIn(item.price, subscription.currency), quantity, name, unit);
}

export function lineOfInvoiceItem(context: Context, invoice: string, item: InvoiceItem): InvoiceLine {
  return newInvoiceLine(context, {
    invoice,
    amount: item.amount,
    currency: item.currency,
    description: item.description,
    discountable: item.discountable,
    discounts: [...item.discounts],
    metadata: { ...item.metadata },
    parent: parentOf(item),
    period: item.period,
    price: item.pricing?.price_details?.price ?? null,
    product: item.pricing?.price_details?.product ?? null,
    quantity: item.quantity,
    unitAmountDecimal: item.pricing?.unit_amount_decimal ?? null,
  });
}

/** Returns the parent of an invoice item's line. The parent of a proration is the subscription item that it belongs to. */
function parentOf({ id, parent, proration, proration_details: details }: InvoiceItem): LineParent {
  const credited = details?.credited_items ?? null;
  const source = {
    invoice_item: id,
    proration,
    proration_details: {
      credited_items: credited?.type === "invoice_line_items" ? credited.invoice_line_item_details : null,
    },
  };
  const { subscription, subscription_item } = parent?.subscription_details ?? {};
  if (proration && subscription !== undefined && subscription_item !== undefined)
    return {
      invoice_item_details: null,
      subscription_item_details: { ...source, subscription, subscription_item },
      type: "subscription_item_details",
    };
  return {
    invoice_item_details: { ...source, subscription: subscription ?? null },
    subscription_item_details: null,
    type: "invoice_item_details",
  };
}
