/** Invoice items: what waits for an invoice. @see https://docs.stripe.com/api/invoiceitems */
import { taxRatesOf } from "../billing/taxes.ts";
import { needCustomer, type Customer } from "../billing/customers.ts";
import { newProduct } from "../billing/products.ts";
import { z } from "zod";
import type { Api } from "../api.ts";
import { redeemAll } from "../billing/discounts.ts";
import { lineOfInvoiceItem } from "../billing/invoice-lines.ts";
import { newInvoiceItem, type InvoiceItem } from "../billing/invoice-items.ts";
import { addUp, setLines, type Invoice } from "../billing/invoices.ts";
import { amountFor } from "../billing/pricing.ts";
import { ApiError } from "../core/errors.ts";
import { emit } from "../core/events.ts";
import { page } from "../core/lists.ts";
import { currency, expand, flag, integer, listParams, mergeMetadata, metadata, text } from "../core/params.ts";
import { all, find, insert, need, remove, type World } from "../core/world.ts";

import { createPrice, newPrice, type Price } from "./prices.ts";
import { discounts, taxRates } from "./shared-params.ts";

const priceData = z.strictObject({
  currency,
  product: text,
  unit_amount: integer.optional(),
  unit_amount_decimal: text.optional(),
});
const fields = {
  amount: integer.optional(),
  description: text.optional(),
  discountable: flag.optional(),
  discounts,
  quantity: integer.optional(),
  period: z.strictObject({ start: integer, end: integer }).optional(),
  pricing: z.strictObject({ price: text }).optional(),
  price_data: priceData.optional(),
  tax_rates: taxRates,
  metadata: metadata.optional(),
  expand,
};
const CreateParams = z.strictObject({
  ...fields,
  customer: text,
  currency: currency.optional(),
  invoice: text.optional(),
  subscription: text.optional(),
});
const ListParams = z.strictObject({
  ...listParams,
  customer: text.optional(),
  invoice: text.optional(),
  pending: flag.optional(),
});

export function invoiceItemRoutes(api: Api): void {
  api.post("/v1/invoiceitems", CreateParams, createItem);

  api.get("/v1/invoiceitems", ListParams, (world, params) => {
    return page(
      world,
      all(world, "invoiceitem"),
      params,
      "/v1/invoiceitems",
      (row) =>
        (params.customer === undefined || row.customer === params.customer) &&
        (params.invoice === undefined || row.invoice === params.invoice) &&
        (params.pending === undefined || (row.invoice === null) === params.pending),
    );
  });

  api.get("/v1/invoiceitems/:id", z.strictObject({ expand }), (world, _params, id) => need(world, "invoiceitem", id));

  api.post("/v1/invoiceitems/:id", z.strictObject(fields), (world, params, id) => {
    const item = need(world, "invoiceitem", id);
    const invoice = draftOf(world, item);
    const { amount, description, quantity, discountable } = params;
    Object.assign(item, {
      ...(amount !== undefined && { amount, net_amount: amount }),
      ...(description !== undefined && { description }),
      ...(discountable !== undefined && { discountable }),
      ...(quantity !== undefined && { quantity, quantity_decimal: String(quantity) }),
      ...(params.period && { period: params.period }),
      metadata: mergeMetadata(item.metadata, params.metadata),
    });
    const price = priceOf(world, params) ?? find(world, "price", item.pricing?.price_details.price ?? null);
    if (price && amount === undefined) item.amount = item.net_amount = amountFor(price, item.quantity);
    if (invoice) replaceLine(world, invoice, item);
    return item;
  });

  api.delete("/v1/invoiceitems/:id", z.strictObject({}), (world, _params, id) => {
    const item = need(world, "invoiceitem", id);
    const invoice = draftOf(world, item);
    remove(world, "invoiceitem", id);
    if (invoice) {
      const others = invoice.lines.data.filter((line) => line.parent?.invoice_item_details?.invoice_item !== id);
      setLines(world, invoice, others);
    }
    emit(world, "invoiceitem.deleted", item);
    return { id, object: "invoiceitem", deleted: true };
  });
}

function createItem(world: World, params: z.output<typeof CreateParams>): InvoiceItem {
  const customer = needCustomer(world, params.customer, "customer");
  const invoice = params.invoice === undefined ? null : need(world, "invoice", params.invoice, "invoice");
  if (invoice && invoice.status !== "draft") throw notEditable();
  if (params.subscription !== undefined) need(world, "subscription", params.subscription, "subscription");
  const price =
    priceOf(world, params) ??
    (params.amount === undefined ? null : implicitPrice(world, params, currencyOf(params, invoice, customer)));
  if (params.amount === undefined && price === null)
    throw new ApiError("One of `amount`, `pricing` or `price_data` is needed.", {
      code: "parameter_missing",
      param: "amount",
    });
  const item = newInvoiceItem(world, {
    customer: customer.id,
    subscription: params.subscription ?? null,
    price,
    currency: price?.currency ?? currencyOf(params, invoice, customer),
    description:
      params.description ?? (params.amount === undefined && price ? need(world, "product", price.product).name : null),
    period: params.period,
    discountable: params.discountable ?? true,
    metadata: mergeMetadata({}, params.metadata),
    taxRates: taxRatesOf(world, params.tax_rates, "tax_rates"),
    ...(params.amount !== undefined && { amount: params.amount }),
    ...(params.quantity !== undefined && { quantity: params.quantity }),
  });
  insert(world, "invoiceitem", item);
  item.discounts = redeemAll(world, params.discounts ?? [], { customer: customer.id, invoice_item: item.id });
  if (invoice) {
    item.invoice = invoice.id;
    setLines(world, invoice, [...invoice.lines.data, lineOfInvoiceItem(world, invoice.id, item)]);
  }
  emit(world, "invoiceitem.created", item);
  return item;
}

function currencyOf(params: { currency?: string | undefined }, invoice: Invoice | null, customer: Customer): string {
  return params.currency ?? invoice?.currency ?? customer.currency ?? "usd";
}

/** A bare amount gets a price and a product of its own, which nobody else can use. */
function implicitPrice(
  world: World,
  { amount, description, quantity }: Pick<z.output<typeof CreateParams>, "amount" | "description" | "quantity">,
  itemCurrency: string,
): Price {
  const product = insert(world, "product", newProduct(world, { name: description ?? "Item", active: false }));
  const unit = String((amount ?? 0) / (quantity ?? 1));
  return insert(
    world,
    "price",
    newPrice(world, { currency: itemCurrency, unit_amount_decimal: unit, active: false }, product.id),
  );
}

function priceOf(world: World, params: Pick<z.output<typeof CreateParams>, "pricing" | "price_data">): Price | null {
  if (params.pricing) return need(world, "price", params.pricing.price, "pricing[price]");
  return params.price_data ? createPrice(world, params.price_data) : null;
}

function draftOf(world: World, item: InvoiceItem): Invoice | null {
  const invoice = find(world, "invoice", item.invoice) ?? null;
  if (invoice && invoice.status !== "draft") throw notEditable();
  return invoice;
}

function replaceLine(world: World, invoice: Invoice, item: InvoiceItem): void {
  invoice.lines.data = invoice.lines.data.map((line) =>
    line.parent?.invoice_item_details?.invoice_item === item.id ? lineOfInvoiceItem(world, invoice.id, item) : line,
  );
  addUp(world, invoice);
}

function notEditable(): ApiError {
  return new ApiError("This invoice is no longer editable", { code: "invoice_not_editable" });
}
