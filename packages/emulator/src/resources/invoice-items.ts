/** Defines the API routes of invoice items. @see https://docs.stripe.com/api/invoiceitems */
import { z } from "zod";
import type { Api } from "../api.ts";
import { retrieveCustomer } from "../billing/customers.ts";
import { redeemForItem } from "../billing/invoice-items.ts";
import { lineOfInvoiceItem } from "../billing/invoice-lines.ts";
import { checkItemTaxes } from "../billing/invoice-taxes.ts";
import { recomputeTotals, setLines } from "../billing/invoices.ts";
import { priceIn } from "../billing/presentment.ts";
import { amountFor } from "../billing/pricing.ts";
import { taxRatesOf } from "../billing/taxes.ts";
import { ApiError } from "../core/errors.ts";
import { emit } from "../core/events.ts";
import { paginate } from "../core/pagination.ts";
import { currency, expand, flag, integer, listParams, mergeMetadata, metadata, text } from "../core/params.ts";
import { find, insert, listAll, remove, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { Customer } from "../objects/customer.ts";
import { type InvoiceItem, newInvoiceItem } from "../objects/invoice-item.ts";
import { invoiceItemOf } from "../objects/invoice-line.ts";
import type { Invoice } from "../objects/invoice.ts";
import { newPrice, type Price } from "../objects/price.ts";
import { newProduct } from "../objects/product.ts";
import type { Subscription } from "../objects/subscription.ts";
import { oneTimePrice } from "./chosen-price.ts";
import { invoicePriceData } from "./price-params.ts";
import { createInlinePrice } from "./prices.ts";
import { discounts } from "./shared-params.ts";
import { taxBehavior, taxRates } from "./tax-params.ts";

export const itemFields = {
  amount: integer.optional(),
  description: text.optional(),
  discountable: flag.optional(),
  discounts,
  quantity: integer.optional(),
  period: z.strictObject({ start: integer, end: integer }).optional(),
  pricing: z.strictObject({ price: text }).optional(),
  price_data: invoicePriceData.optional(),
  tax_rates: taxRates,
  metadata: metadata.optional(),
  expand,
};
const CreateParams = z.strictObject({
  ...itemFields,
  customer: text,
  currency: currency.optional(),
  invoice: text.optional(),
  subscription: text.optional(),
  tax_behavior: taxBehavior.optional(),
  tax_code: text.optional(),
});
const UpdateParams = z.strictObject(itemFields);
const ListParams = z.strictObject({
  ...listParams,
  customer: text.optional(),
  invoice: text.optional(),
  pending: flag.optional(),
});

export function invoiceItemRoutes(api: Api): void {
  api.post("/v1/invoiceitems", CreateParams, createItem);

  api.get("/v1/invoiceitems", ListParams, (context, params) => {
    return paginate(context, listAll(context, "invoiceitem"), params, {
      url: "/v1/invoiceitems",
      filter: (row) =>
        (params.customer === undefined || row.customer === params.customer) &&
        (params.invoice === undefined || row.invoice === params.invoice) &&
        (params.pending === undefined || (row.invoice === null) === params.pending),
    });
  });

  api.get("/v1/invoiceitems/:id", z.strictObject({ expand }), (context, _params, id) =>
    retrieve(context, "invoiceitem", id),
  );

  api.post("/v1/invoiceitems/:id", UpdateParams, updateItem);

  api.delete("/v1/invoiceitems/:id", z.strictObject({}), (context, _params, id) => {
    const item = retrieve(context, "invoiceitem", id);
    const invoice = draftOf(context, item);
    remove(context, "invoiceitem", id);
    if (invoice) {
      const others = invoice.lines.data.filter((line) => invoiceItemOf(line) !== id);
      setLines(context, invoice, others);
    }
    emit(context, "invoiceitem.deleted", item);
    return { id, object: "invoiceitem", deleted: true };
  });
}

export function updateItem(context: Context, params: z.output<typeof UpdateParams>, id: string): InvoiceItem {
  const item = retrieve(context, "invoiceitem", id);
  const invoice = draftOf(context, item);
  const { amount, description, quantity, discountable } = params;
  Object.assign(item, {
    ...(amount !== undefined && { amount, net_amount: amount }),
    ...(description !== undefined && { description }),
    ...(discountable !== undefined && { discountable }),
    ...(quantity !== undefined && { quantity, quantity_decimal: String(quantity) }),
    ...(params.period && { period: params.period }),
    ...(params.tax_rates !== undefined && { tax_rates: taxRatesOf(context, params.tax_rates, "tax_rates") }),
    metadata: mergeMetadata(item.metadata, params.metadata),
  });
  const price = priceOf(context, params, item.currency) ?? currentPrice(context, item);
  if (price) checkItemCurrency(price.currency, { invoice, subscription: null });
  if (price && amount === undefined) item.amount = item.net_amount = amountFor(price, item.quantity);
  if (params.discounts !== undefined) item.discounts = redeemForItem(context, item, params.discounts ?? []);
  if (invoice) replaceLine(context, invoice, item);
  return item;
}

export function createItem(context: Context, params: z.output<typeof CreateParams>): InvoiceItem {
  const customer = retrieveCustomer(context, params.customer, "customer");
  const invoice = params.invoice === undefined ? null : retrieve(context, "invoice", params.invoice, "invoice");
  const subscription =
    params.subscription === undefined ? null : retrieve(context, "subscription", params.subscription, "subscription");
  if (invoice && invoice.status !== "draft") throw notEditable();
  checkOwners(customer, { invoice, subscription });
  const price = requiredPrice(context, params, currencyOf(params, invoice ?? subscription, customer));
  checkItemCurrency(price.currency, { invoice, subscription });
  const rates = taxRatesOf(context, params.tax_rates, "tax_rates");
  checkItemTaxes(context, { invoice, subscription: params.subscription, price, taxRates: rates });
  const amount = params.amount ?? amountFor(price, params.quantity ?? 1);
  const item = newInvoiceItem(context, {
    customer: customer.id,
    subscription: params.subscription ?? null,
    price,
    currency: price.currency,
    description: params.description ?? (params.amount === undefined ? productName(context, price) : null),
    period: params.period,
    discountable: params.discountable ?? amount >= 0,
    metadata: mergeMetadata({}, params.metadata),
    taxRates: rates,
    amount,
    ...(params.quantity !== undefined && { quantity: params.quantity }),
  });
  insert(context, "invoiceitem", item);
  item.discounts = redeemForItem(context, item, params.discounts ?? []);
  if (invoice) {
    item.invoice = invoice.id;
    setLines(context, invoice, [...invoice.lines.data, lineOfInvoiceItem(context, invoice.id, item)]);
  }
  emit(context, "invoiceitem.created", item);
  return item;
}

function productName(context: Context, price: Price): string {
  return retrieve(context, "product", price.product).name;
}

/**
 * Returns the price of a new invoice item, from the price or amount in the parameters. Throws if the parameters contain
 * neither a price nor an amount.
 */
function requiredPrice(context: Context, params: z.output<typeof CreateParams>, itemCurrency: string): Price {
  if (params.amount !== undefined && (params.pricing || params.price_data))
    throw new ApiError(
      `You may only specify one of these parameters: amount, ${params.pricing ? "pricing" : "price_data"}.`,
      { param: "amount" },
    );
  const price = priceOf(context, params, params.currency);
  if (price && (params.tax_behavior !== undefined || params.tax_code !== undefined))
    throw new ApiError("The emulator implements `tax_behavior` and `tax_code` of an invoice item only with `amount`.", {
      status: 501,
      type: "api_error",
      param: params.tax_code === undefined ? "tax_behavior" : "tax_code",
    });
  if (price) return price;
  if (params.amount !== undefined) return implicitPrice(context, params, itemCurrency);
  throw new ApiError("One of `amount`, `pricing` or `price_data` is needed.", {
    code: "parameter_missing",
    param: "amount",
  });
}

interface Bill {
  invoice: Invoice | null;
  subscription: Subscription | null;
}

/** Throws if the invoice or the subscription of a new invoice item belongs to another customer. */
function checkOwners({ id }: Customer, bill: Bill): void {
  for (const name of ["invoice", "subscription"] as const)
    if (bill[name] && bill[name].customer !== id)
      throw new ApiError(`The ${name} ${bill[name].id} does not belong to the customer ${id}.`, { param: name });
}

/** Throws if the currency of a new invoice item is not the currency of the invoice or subscription that bills it. */
function checkItemCurrency(itemCurrency: string, bill: Bill): void {
  for (const name of ["invoice", "subscription"] as const)
    if (bill[name] && bill[name].currency !== itemCurrency)
      throw new ApiError(
        `The currency of the invoice item (\`${itemCurrency}\`) doesn't match the ${name}'s currency: \`${bill[name].currency}\`.`,
        { param: "currency" },
      );
}

/** Returns the currency of an invoice item that has an amount and no price. */
function currencyOf(
  params: { currency?: string | undefined },
  bill: { currency: string } | null,
  customer: Customer,
): string {
  return params.currency ?? bill?.currency ?? customer.currency ?? "usd";
}

/** Creates an inactive price and product for an invoice item that has an amount and no price, as Stripe does. */
function implicitPrice(context: Context, params: z.output<typeof CreateParams>, itemCurrency: string): Price {
  const { amount, description, quantity, tax_behavior, tax_code } = params;
  const name = description ?? "Item";
  const product = insert(context, "product", newProduct(context, { name, active: false, tax_code }));
  const unit = String((amount ?? 0) / (quantity ?? 1));
  return insert(
    context,
    "price",
    newPrice(context, { currency: itemCurrency, unit_amount_decimal: unit, active: false, tax_behavior }, product.id),
  );
}

function priceOf(
  context: Context,
  params: Pick<z.output<typeof CreateParams>, "pricing" | "price_data">,
  wanted: string | undefined,
): Price | null {
  if (params.pricing && params.price_data)
    throw new ApiError("You may only specify one of these parameters: price_data, pricing.", { param: "price_data" });
  if (params.price_data) return createInlinePrice(context, params.price_data, "price_data");
  if (!params.pricing) return null;
  const price = oneTimePrice(context, params.pricing.price, wanted, "pricing[price]");
  return priceIn(price, wanted ?? price.currency);
}

function currentPrice(context: Context, item: InvoiceItem): Price | null {
  const price = find(context, "price", item.pricing?.price_details.price ?? null);
  return price ? priceIn(price, item.currency) : null;
}

function draftOf(context: Context, item: InvoiceItem): Invoice | null {
  const invoice = find(context, "invoice", item.invoice) ?? null;
  if (invoice && invoice.status !== "draft") throw notEditable();
  return invoice;
}

function replaceLine(context: Context, invoice: Invoice, item: InvoiceItem): void {
  invoice.lines.data = invoice.lines.data.map((line) =>
    invoiceItemOf(line) === item.id ? lineOfInvoiceItem(context, invoice.id, item) : line,
  );
  recomputeTotals(context, invoice);
}

function notEditable(): ApiError {
  return new ApiError("This invoice is no longer editable", { code: "invoice_not_editable" });
}
