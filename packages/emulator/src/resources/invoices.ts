/** Defines the API routes of invoices and their payments. @see https://docs.stripe.com/api/invoices */
import { z } from "zod";
import type { Api } from "../api.ts";
import { cardForInvoice, getOrCreateIntent, payInvoice } from "../billing/collection.ts";
import { retrieveCustomer, setDelinquent } from "../billing/customers.ts";
import { checkInvoiceTaxes } from "../billing/invoice-taxes.ts";
import { redeemAll, redemptionForInvoice } from "../billing/redemptions.ts";
import {
  attachPayment,
  discountsFor,
  draftInvoice,
  markUncollectible,
  moveItemsToInvoice,
  recomputeTotals,
  scheduleFinalization,
  setLines,
  storeDraft,
  subscriptionOf,
  voidInvoice,
} from "../billing/invoices.ts";
import { noCard } from "../billing/no-card.ts";
import { applyPendingChange, discardResumption } from "../billing/pending-changes.ts";
import { attach, methodFromIdOrToken } from "../billing/payment-methods.ts";
import { declineError } from "../billing/payments.ts";
import { createRevision } from "../billing/invoice-revisions.ts";
import { finalizeInvoice, markPaid } from "../billing/settlement.ts";
import { locationInvalid } from "../billing/tax-locations.ts";
import { taxRatesOf } from "../billing/taxes.ts";
import { ApiError, notImplemented } from "../core/errors.ts";
import { emit, emitChange } from "../core/events.ts";
import { hasFields, inRange, paginate } from "../core/pagination.ts";
import {
  currency,
  expand,
  flag,
  listParams,
  mergeMetadata,
  metadata,
  text,
  timeRange,
  unsettable,
} from "../core/params.ts";
import { listAll, listBy, remove, retrieve } from "../core/rows.ts";
import { search, searchParams } from "../core/search.ts";
import type { Context } from "../core/state.ts";
import type { InvoicePayment } from "../objects/invoice-payment.ts";
import { invoiceTax } from "../objects/automatic-tax.ts";
import type { Invoice } from "../objects/invoice.ts";
import type { Subscription } from "../objects/subscription.ts";
import { checkDueDate, dueDateAfter, dueParams } from "./invoice-due-dates.ts";
import { collectionMethod, discounts } from "./shared-params.ts";
import { taxFields } from "./tax-params.ts";

const fields = {
  auto_advance: flag.optional(),
  collection_method: collectionMethod,
  ...dueParams,
  default_payment_method: text.optional(),
  ...taxFields,
  description: unsettable(text).optional(),
  discounts,
  footer: unsettable(text).optional(),
  metadata: metadata.optional(),
  expand,
};
const CreateParams = z.strictObject({
  ...fields,
  customer: text.optional(),
  currency: currency.optional(),
  from_invoice: z.strictObject({ action: z.literal("revision"), invoice: text }).optional(),
  subscription: text.optional(),
  pending_invoice_items_behavior: z.enum(["exclude", "include"]).optional(),
});
const ListParams = z.strictObject({
  ...listParams,
  customer: text.optional(),
  subscription: text.optional(),
  status: z.enum(["draft", "open", "paid", "uncollectible", "void"]).optional(),
  collection_method: collectionMethod,
  due_date: timeRange.optional(),
});
const PayParams = z.strictObject({
  payment_method: text.optional(),
  off_session: flag.optional(),
  paid_out_of_band: flag.optional(),
  expand,
});
const paymentType = z.enum(["payment_intent", "payment_record"]);
const NoParams = z.strictObject({ expand });

export function invoiceRoutes(api: Api): void {
  api.post("/v1/invoices", CreateParams, createOrRevise);
  api.get("/v1/invoices/search", searchParams, (context, params) =>
    search(context, listAll(context, "invoice"), params, "/v1/invoices/search"),
  );
  api.get("/v1/invoices", ListParams, (context, params) => {
    const { customer, collection_method, due_date, status, subscription } = params;
    return paginate(context, listAll(context, "invoice"), params, {
      url: "/v1/invoices",
      filter: (row) =>
        hasFields(row, { customer, collection_method, status }) &&
        (subscription === undefined || row.parent?.subscription_details.subscription === subscription) &&
        inRange(row.due_date, due_date),
    });
  });
  api.get("/v1/invoices/:id", NoParams, (context, _params, id) => retrieve(context, "invoice", id));
  api.get("/v1/invoices/:id/lines", z.strictObject(listParams), (context, params, id) => {
    const { data, url } = retrieve(context, "invoice", id).lines;
    return paginate(context, data.toReversed(), params, { url });
  });
  api.post("/v1/invoices/:id", z.strictObject(fields), updateInvoice);
  api.delete("/v1/invoices/:id", z.strictObject({}), (context, _params, id) => {
    const invoice = retrieve(context, "invoice", id);
    if (invoice.status !== "draft" || invoice.parent)
      throw new ApiError("You can only delete draft invoices that were created by the API.", {
        code: "invoice_not_editable",
      });
    remove(context, "invoice", id);
    for (const item of listBy(context, "invoiceitem", { customer: invoice.customer }))
      if (item.invoice === id) item.invoice = null;
    emit(context, "invoice.deleted", invoice);
    return { id, object: "invoice", deleted: true };
  });
  transitionRoutes(api);
  paymentRoutes(api);
}

type CreateInvoice = z.output<typeof CreateParams>;

/** The parameters that a revision of an invoice can have. */
const REVISION_PARAMS: readonly string[] = [
  "auto_advance",
  "description",
  "expand",
  "footer",
  "from_invoice",
  "metadata",
] satisfies (keyof CreateInvoice)[];

function reviseInvoice(context: Context, params: CreateInvoice, id: string): Invoice {
  const other = Object.keys(params).find((name) => !REVISION_PARAMS.includes(name));
  if (other !== undefined)
    throw notImplemented(`The emulator does not implement \`${other}\` together with \`from_invoice\`.`, other);
  const original = retrieve(context, "invoice", id, "from_invoice[invoice]");
  const { description, footer } = params;
  const revision = createRevision(context, original, {
    ...(params.auto_advance !== undefined && { autoAdvance: params.auto_advance }),
    ...(description !== undefined && { description }),
    ...(footer !== undefined && { footer }),
    ...(params.metadata !== undefined && { metadata: mergeMetadata(original.metadata, params.metadata) }),
  });
  if (revision.auto_advance) scheduleFinalization(context, revision);
  return revision;
}

function createOrRevise(context: Context, params: CreateInvoice): Invoice {
  const { customer, from_invoice: revised } = params;
  if (revised) return reviseInvoice(context, params, revised.invoice);
  if (customer === undefined)
    throw new ApiError("Missing required param: customer.", { code: "parameter_missing", param: "customer" });
  return createInvoice(context, { ...params, customer });
}

function createInvoice(context: Context, params: CreateInvoice & { customer: string }): Invoice {
  const customer = retrieveCustomer(context, params.customer, "customer");
  const subscription =
    params.subscription === undefined ? null : retrieve(context, "subscription", params.subscription, "subscription");
  if (subscription) checkSubscriptionInvoice(params, subscription);
  checkDueDate(context, params);
  const invoice = draftInvoice(context, {
    customer: customer.id,
    subscription,
    reason: "manual",
    currency: params.currency,
    autoAdvance: params.auto_advance ?? false,
    collectionMethod: params.collection_method,
    daysUntilDue: params.days_until_due ?? null,
    dueDate: params.due_date ?? null,
    description: params.description ?? null,
    footer: params.footer ?? null,
    metadata: mergeMetadata({}, params.metadata),
    defaultPaymentMethod: params.default_payment_method ?? null,
    automaticTax: params.automatic_tax?.enabled,
    ...(params.default_tax_rates && {
      defaultTaxRates: taxRatesOf(context, params.default_tax_rates, "default_tax_rates"),
    }),
  });
  const include = params.pending_invoice_items_behavior === "include" || subscription !== null;
  setLines(context, invoice, include ? moveItemsToInvoice(context, invoice, subscription?.id ?? null) : []);
  invoice.discounts =
    params.discounts === undefined
      ? discountsFor(context, subscription, customer.id)
      : redeemAll(context, params.discounts ?? [], redemptionForInvoice(invoice));
  recomputeTotals(context, invoice);
  checkInvoiceTaxes(context, invoice);
  storeDraft(context, invoice, null);
  if (invoice.auto_advance) scheduleFinalization(context, invoice);
  return invoice;
}

/** Throws if an invoice for a subscription names another customer or another currency. */
function checkSubscriptionInvoice(
  params: { customer: string; currency?: string | undefined },
  subscription: Subscription,
): void {
  if (subscription.customer !== params.customer)
    throw new ApiError(`The subscription ${subscription.id} does not belong to the customer ${params.customer}.`, {
      param: "subscription",
    });
  if (params.currency !== undefined && params.currency !== subscription.currency)
    throw new ApiError(
      `The currency of an invoice for a subscription must be the currency of the subscription: \`${subscription.currency}\`.`,
      { param: "currency" },
    );
}

function updateInvoice(context: Context, params: z.output<z.ZodObject<typeof fields>>, id: string): Invoice {
  const invoice = retrieve(context, "invoice", id);
  const isTotal = [params.discounts, params.default_tax_rates, params.automatic_tax].some((one) => one !== undefined);
  if (invoice.status !== "draft" && isTotal)
    throw new ApiError("Finalized invoices can't be updated in this way", { code: "invoice_not_editable" });
  checkDueDate(context, params, invoice);
  emitChange(context, "invoice.updated", invoice, () => {
    const { auto_advance: advance, description, footer, collection_method: method } = params;
    if (advance !== undefined) invoice.auto_advance = advance;
    if (description !== undefined) invoice.description = description;
    if (footer !== undefined) invoice.footer = footer;
    if (method !== undefined) invoice.collection_method = method;
    invoice.due_date = dueDateAfter(invoice, params);
    if (params.default_payment_method !== undefined) invoice.default_payment_method = params.default_payment_method;
    if (params.default_tax_rates !== undefined)
      invoice.default_tax_rates = taxRatesOf(context, params.default_tax_rates, "default_tax_rates");
    if (params.automatic_tax) invoice.automatic_tax = invoiceTax(params.automatic_tax.enabled);
    if (params.automatic_tax ?? params.default_tax_rates) checkInvoiceTaxes(context, invoice);
    if (params.discounts !== undefined)
      invoice.discounts = redeemAll(context, params.discounts ?? [], redemptionForInvoice(invoice));
    invoice.metadata = mergeMetadata(invoice.metadata, params.metadata);
    if (invoice.status === "draft") recomputeTotals(context, invoice);
  });
  if (params.auto_advance && invoice.status === "draft") scheduleFinalization(context, invoice);
  return invoice;
}

function transitionRoutes(api: Api): void {
  api.post(
    "/v1/invoices/:id/finalize",
    z.strictObject({ auto_advance: flag.optional(), expand }),
    (context, params, id) => {
      const invoice = retrieve(context, "invoice", id);
      if (params.auto_advance !== undefined) invoice.auto_advance = params.auto_advance;
      finalizeForRequest(context, invoice);
      if (invoice.status === "open") getOrCreateIntent(context, invoice);
      return invoice;
    },
  );
  api.post("/v1/invoices/:id/pay", PayParams, pay);
  api.post("/v1/invoices/:id/send", NoParams, (context, _params, id) => {
    const invoice = retrieve(context, "invoice", id);
    if (invoice.status === "draft") finalizeForRequest(context, invoice);
    emit(context, "invoice.sent", invoice);
    return invoice;
  });
  api.post("/v1/invoices/:id/void", NoParams, (context, _params, id) => {
    const invoice = retrieve(context, "invoice", id);
    voidInvoice(context, invoice);
    const subscription = subscriptionOf(context, invoice);
    if (subscription?.status === "paused") discardResumption(context, subscription, invoice);
    return invoice;
  });
  api.post("/v1/invoices/:id/mark_uncollectible", NoParams, (context, _params, id) => {
    const invoice = retrieve(context, "invoice", id);
    markUncollectible(context, invoice, "user_forgiven");
    setDelinquent(context, invoice.customer, false);
    const subscription = subscriptionOf(context, invoice);
    if (subscription?.status === "paused") applyPendingChange(context, subscription, invoice);
    return invoice;
  });
  api.post(
    "/v1/invoices/:id/attach_payment",
    z.strictObject({ payment_intent: text, expand }),
    (context, params, id) => {
      const invoice = retrieve(context, "invoice", id);
      if (invoice.status !== "open")
        throw new ApiError("You can only attach a payment to an open invoice.", { code: "invoice_not_editable" });
      const intent = retrieve(context, "payment_intent", params.payment_intent, "payment_intent");
      attachPayment(context, invoice, intent, false);
      if (intent.status === "succeeded" && intent.amount >= invoice.amount_remaining) markPaid(context, invoice);
      return invoice;
    },
  );
}

/** Finalizes an invoice. Throws if it stays a draft, because automatic tax needs the customer's location. */
function finalizeForRequest(context: Context, invoice: Invoice): void {
  finalizeInvoice(context, invoice);
  if (invoice.last_finalization_error && invoice.status === "draft") throw locationInvalid({ keepsEffects: true });
}

function pay(context: Context, params: z.output<typeof PayParams>, id: string): Invoice {
  const invoice = retrieve(context, "invoice", id);
  if (invoice.status === "paid") throw new ApiError("Invoice is already paid", { code: "invoice_already_paid" });
  if (invoice.status === "draft") finalizeForRequest(context, invoice);
  // An invoice with a total of 0 was already paid when it was finalized.
  if ((invoice.status as string) === "paid") return invoice;
  if (invoice.status !== "open" && invoice.status !== "uncollectible")
    throw new ApiError(`This invoice can't be paid: it is ${invoice.status}.`, { code: "invoice_not_editable" });
  if (params.paid_out_of_band) {
    markPaid(context, invoice, true);
    return invoice;
  }
  const given = params.payment_method ? methodFromIdOrToken(context, params.payment_method, "payment_method") : null;
  if (given) attach(context, given, invoice.customer);
  const card = given?.id ?? cardForInvoice(context, invoice);
  if (!card) throw noCard();
  const intent = payInvoice(context, invoice, card, { onSession: params.off_session === false });
  if (intent.status === "requires_payment_method") throw declineError(context, intent);
  if (intent.status === "requires_action")
    throw new ApiError(
      "This payment requires additional user action before it can be completed successfully. Payment can be completed using the PaymentIntent associated with this invoice. For more details see: https://stripe.com/docs/billing/subscriptions/overview#requires-action",
      {
        status: 402,
        keepsEffects: true,
        type: "card_error",
        code: "invoice_payment_intent_requires_action",
        payment_intent: { ...intent },
      },
    );
  return invoice;
}

function paymentRoutes(api: Api): void {
  const PaymentListParams = z.strictObject({
    ...listParams,
    invoice: text.optional(),
    status: text.optional(),
    payment: z
      .strictObject({ type: paymentType, payment_intent: text.optional(), payment_record: text.optional() })
      .optional(),
  });
  api.get("/v1/invoice_payments", PaymentListParams, (context, params) => {
    return paginate(context, listAll(context, "invoice_payment"), params, {
      url: "/v1/invoice_payments",
      filter: (row) =>
        hasFields(row, { invoice: params.invoice, status: params.status }) &&
        hasFields<InvoicePayment["payment"] & { payment_record?: string }>(row.payment, params.payment ?? {}),
    });
  });
  api.get("/v1/invoice_payments/:id", NoParams, (context, _params, id) => retrieve(context, "invoice_payment", id));
}
