/** Defines the line items of invoices. @see https://docs.stripe.com/api/invoice-line-item/object */
import { newId } from "../core/ids.ts";
import type { ObjectSource } from "../core/object-source.ts";

export type InvoiceLine = ReturnType<typeof newInvoiceLine>;

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
}

export type LineParent =
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
        /** The invoice item of a proration; null for the charge of a period. */
        invoice_item: string | null;
        proration: boolean;
        proration_details: { credited_items: { invoice: string; invoice_line_items: string[] } | null };
        subscription: string;
        subscription_item: string;
      };
      type: "subscription_item_details";
    };

export function newInvoiceLine(source: ObjectSource, input: LineInput) {
  return {
    id: newId(source, "il"),
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
    subtotal: input.amount,
    taxes: [] as LineTax[],
  };
}

/** Returns the ID of the invoice item that an invoice line comes from; null if it comes from none. */
export function invoiceItemOf({ parent }: Pick<InvoiceLine, "parent">): string | null {
  return parent?.invoice_item_details?.invoice_item ?? parent?.subscription_item_details?.invoice_item ?? null;
}

export interface Period {
  start: number;
  end: number;
}

export interface LineTax {
  amount: number;
  tax_behavior: "exclusive" | "inclusive";
  tax_rate_details: { tax_rate: string };
  taxability_reason: TaxabilityReason;
  taxable_amount: number;
  type: "tax_rate_details";
}

/** The reason for a tax. Manual tax rates have the reason `not_available`. @see https://docs.stripe.com/tax/zero-tax */
export type TaxabilityReason =
  | "customer_exempt"
  | "not_available"
  | "not_collecting"
  | "not_subject_to_tax"
  | "product_exempt"
  | "reduced_rated"
  | "reverse_charge"
  | "standard_rated"
  | "zero_rated";
