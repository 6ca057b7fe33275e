/** Adds invoice items for one-time prices. */
import { insert, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { type NewInvoiceItem, newInvoiceItem } from "../objects/invoice-item.ts";
import type { Price } from "../objects/price.ts";
import { amountFor } from "./pricing.ts";

/**
 * Creates an invoice item for a one-time price. The customer's next invoice includes the invoice item. The item's description
 * is the product's name.
 */
export function addOneTimeItem(context: Context, sold: Omit<NewInvoiceItem, "amount"> & { price: Price }): void {
  const description = retrieve(context, "product", sold.price.product).name;
  const amount = amountFor(sold.price, sold.quantity ?? 1);
  insert(context, "invoiceitem", newInvoiceItem(context, { ...sold, description, amount }));
}
