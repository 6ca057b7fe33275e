/** Defines the API route that previews invoices. @see https://docs.stripe.com/api/invoices/create_preview */
import { z } from "zod";
import type { Api } from "../api.ts";
import { setTaxIpAddress } from "../billing/customer-tax.ts";
import { retrieveCustomer } from "../billing/customers.ts";
import { type InvoiceOwner, nextSubscriptionOf, previewInvoice } from "../billing/preview.ts";
import { endSubscription } from "../billing/subscription-endings.ts";
import { resumeSubscription, type Resumption } from "../billing/subscription-resumptions.ts";
import { isEnded } from "../billing/subscription-periods.ts";
import { cancelNow } from "../billing/subscription-update.ts";
import { createTaxId } from "../billing/tax-ids.ts";
import { now } from "../core/clock.ts";
import { ApiError } from "../core/errors.ts";
import { currency, expand, flag, integer, metadata, text, unsettable } from "../core/params.ts";
import { find, insert, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { newCustomer, toShipping } from "../objects/customer.ts";
import type { Invoice } from "../objects/invoice.ts";
import type { Subscription } from "../objects/subscription.ts";
import { createItem, itemFields, updateItem } from "./invoice-items.ts";
import { discounts, prorationParam, shippingParam } from "./shared-params.ts";
import { updateItem as subscriptionItem } from "./subscription-items.ts";
import { createFromPhases, phase, updateSchedule } from "./subscription-schedules.ts";
import { cancelAtParam, create, update } from "./subscriptions.ts";
import { automaticTax, taxRates } from "./tax-params.ts";

const address = z.record(z.enum(["city", "country", "line1", "line2", "postal_code", "state"]), text.optional());
const customerDetails = z.strictObject({
  address: unsettable(address).optional(),
  shipping: shippingParam,
  tax: z.strictObject({ ip_address: unsettable(text).optional() }).optional(),
  tax_exempt: unsettable(z.enum(["none", "exempt", "reverse"])).optional(),
  tax_ids: z.array(z.strictObject({ type: text, value: text })).optional(),
});
const anchorParam = z.strictObject({ type: z.enum(["now", "timestamp", "unchanged"]), timestamp: integer.optional() });
const subscriptionDetails = z.strictObject({
  billing_cycle_anchor: anchorParam.optional(),
  cancel_at: unsettable(cancelAtParam).optional(),
  cancel_at_period_end: flag.optional(),
  cancel_now: flag.optional(),
  default_tax_rates: taxRates,
  items: z.array(subscriptionItem).max(20).optional(),
  metadata: metadata.optional(),
  proration_behavior: prorationParam,
  proration_date: integer.optional(),
  resume_at: z.literal("now").optional(),
  start_date: integer.optional(),
  trial_end: z.union([z.literal("now"), integer]).optional(),
});
const scheduleDetails = z.strictObject({
  end_behavior: z.enum(["cancel", "release"]).optional(),
  phases: z.array(phase).min(1).max(10).optional(),
  proration_behavior: prorationParam,
});
const PreviewParams = z.strictObject({
  automatic_tax: automaticTax,
  currency: currency.optional(),
  customer: text.optional(),
  customer_details: customerDetails.optional(),
  discounts,
  invoice_items: z
    .array(z.strictObject({ ...itemFields, currency: currency.optional(), invoiceitem: text.optional() }))
    .max(250)
    .optional(),
  preview_mode: z.enum(["next", "recurring"]).optional(),
  schedule: text.optional(),
  schedule_details: scheduleDetails.optional(),
  subscription: text.optional(),
  subscription_details: subscriptionDetails.optional(),
  expand,
});
type Params = z.output<typeof PreviewParams>;
type Details = z.output<typeof subscriptionDetails>;

export function invoicePreviewRoutes(api: Api): void {
  api.post("/v1/invoices/create_preview", PreviewParams, (context, params) => {
    checkParams(context, params);
    const invoice = previewInvoice(context, () => change(context, params));
    if (!invoice) throw noInvoice(context, params);
    if (params.currency !== undefined && params.currency !== invoice.currency)
      throw otherCurrency(params.currency, invoice);
    return invoice;
  });
}

function checkParams(context: Context, params: Params): void {
  const { schedule, schedule_details: phases, subscription, subscription_details: details } = params;
  if ((schedule !== undefined || phases) && (subscription !== undefined || details))
    throw new ApiError("You may only specify one of these parameters: schedule, subscription.", { param: "schedule" });
  if (
    params.customer === undefined &&
    subscription === undefined &&
    schedule === undefined &&
    !details?.items &&
    !phases
  )
    throw new ApiError("You must pass `customer`, `subscription` or `schedule`.", {
      code: "parameter_missing",
      param: "customer",
    });
  if (params.preview_mode === "recurring") throw unsupported("preview_mode", "recurring");
  const starts = details?.start_date;
  const isNew = subscription === undefined && schedule === undefined;
  if (starts !== undefined && (isNew ? starts > now(context) : starts !== now(context)))
    throw unsupported("subscription_details[start_date]", String(starts));
}

function noInvoice(context: Context, params: Params): ApiError {
  const owner =
    find(context, "subscription", params.subscription ?? null) ??
    find(context, "subscription_schedule", params.schedule ?? null);
  return new ApiError(`No upcoming invoices for customer: ${params.customer ?? owner?.customer ?? ""}`, {
    status: 404,
    code: "invoice_upcoming_none",
  });
}

/** Returns the error for a value that Stripe accepts and the emulator does not. */
function unsupported(param: string, value: string): ApiError {
  return new ApiError(`The emulator does not implement the value "${value}" of ${param} in previews.`, {
    status: 501,
    type: "api_error",
    param,
  });
}

function otherCurrency(given: string, invoice: Invoice): ApiError {
  return new ApiError(
    `The invoice has the currency \`${invoice.currency}\`, so it can't be previewed in \`${given}\`.`,
    {
      param: "currency",
    },
  );
}

/** Makes the change that is previewed. Returns the owner of the invoice to preview. */
function change(context: Context, params: Params): InvoiceOwner {
  const customer = customerOf(context, params);
  applyCustomerDetails(context, customer, params.customer_details);
  const { schedule, schedule_details: phases } = params;
  if (schedule !== undefined || phases) {
    addInvoiceItems(context, params, { customer });
    return changeSchedule(context, params, customer);
  }
  if (params.subscription === undefined && params.subscription_details?.items) {
    addInvoiceItems(context, params, { customer });
    return startSubscription(context, params, customer);
  }
  const subscription =
    params.subscription === undefined
      ? nextSubscriptionOf(context, customer)
      : retrieve(context, "subscription", params.subscription, "subscription");
  addInvoiceItems(context, params, { customer, subscription: subscription?.id });
  if (!subscription) {
    return {
      customer,
      currency: params.currency,
      automaticTax: params.automatic_tax?.enabled,
      discounts: params.discounts,
    };
  }
  changeSubscription(context, params, subscription);
  return { customer, subscription: subscription.id };
}

/** Returns the ID of the customer. Creates a customer if the request names none. */
function customerOf(context: Context, params: Params): string {
  const owner =
    params.subscription === undefined
      ? params.schedule === undefined
        ? null
        : retrieve(context, "subscription_schedule", params.schedule, "schedule")
      : retrieve(context, "subscription", params.subscription, "subscription");
  if (owner && params.customer !== undefined && owner.customer !== params.customer)
    throw new ApiError(`Customer ${params.customer} does not have a ${owner.object} with ID ${owner.id}`, {
      code: "resource_missing",
      param: owner.object === "subscription" ? "subscription" : "schedule",
    });
  const id = params.customer ?? owner?.customer;
  if (id !== undefined) return retrieveCustomer(context, id, "customer").id;
  return insert(context, "customer", newCustomer(context, {})).id;
}

function applyCustomerDetails(context: Context, id: string, given: Params["customer_details"]): void {
  if (!given) return;
  const customer = retrieveCustomer(context, id, "customer");
  if (given.address !== undefined) customer.address = newCustomer(context, { address: given.address }).address;
  if (given.shipping !== undefined) customer.shipping = toShipping(given.shipping);
  setTaxIpAddress(context, customer, given.tax?.ip_address);
  if (given.tax_exempt !== undefined) customer.tax_exempt = given.tax_exempt ?? "none";
  for (const taxId of given.tax_ids ?? []) createTaxId(context, id, taxId);
}

function addInvoiceItems(
  context: Context,
  params: Params,
  owner: { customer: string; subscription?: string | undefined },
): void {
  for (const { invoiceitem, ...item } of params.invoice_items ?? [])
    if (invoiceitem === undefined) createItem(context, { ...item, ...owner });
    else updateItem(context, item, invoiceitem);
}

function changeSchedule(context: Context, params: Params, customer: string): InvoiceOwner {
  const given = params.schedule_details ?? {};
  if (params.schedule !== undefined) {
    if (params.schedule_details) updateSchedule(context, given, params.schedule);
    return { customer, schedule: params.schedule };
  }
  const starts = given.phases?.[0]?.start_date ?? "now";
  return { customer, schedule: createFromPhases(context, { ...given, customer, start_date: starts }).id };
}

function startSubscription(context: Context, params: Params, customer: string): InvoiceOwner {
  const details = params.subscription_details ?? {};
  const {
    cancel_now: _never,
    resume_at: _nor,
    start_date: starts = Infinity,
    proration_date: _none,
    ...given
  } = details;
  const { timestamp } = details.billing_cycle_anchor ?? {};
  const subscription = create(context, {
    ...given,
    items: details.items ?? [],
    customer,
    automatic_tax: params.automatic_tax,
    billing_cycle_anchor: timestamp,
    backdate_start_date: starts < now(context) ? starts : undefined,
    currency: params.currency,
    discounts: params.discounts,
    payment_behavior: "default_incomplete",
  });
  return { customer, subscription: subscription.id };
}

function changeSubscription(context: Context, params: Params, subscription: Subscription): void {
  const details: Details = params.subscription_details ?? {};
  const { cancel_now: cancels, resume_at: resumes, start_date: _now, ...given } = details;
  if (isEnded(subscription)) return;
  // An empty text also removes the discount that the subscription would take from its customer.
  if (params.discounts === null) retrieveCustomer(context, subscription.customer, "customer").discount = null;
  if (resumes !== undefined) {
    if (subscription.status === "paused") resumeSubscription(context, subscription, resumptionOf(details));
    return;
  }
  const { type } = details.billing_cycle_anchor ?? {};
  const anchor = type === "timestamp" ? undefined : type;
  const { automatic_tax, discounts: coupons } = params;
  if (automatic_tax || coupons !== undefined || Object.keys(given).length > 0)
    update(
      context,
      { ...given, automatic_tax, discounts: coupons, billing_cycle_anchor: anchor && { type: anchor } },
      subscription.id,
    );
  if (cancels)
    cancelNow(context, subscription, { invoiceNow: true, prorate: details.proration_behavior !== "none" }, () =>
      endSubscription(context, subscription, "cancellation_requested"),
    );
}

function resumptionOf(details: Details): Resumption {
  return {
    anchor: details.billing_cycle_anchor?.type === "unchanged" ? "unchanged" : "now",
    payment: "resume_on_payment_attempt",
    proration: details.proration_behavior ?? "create_prorations",
    prorationDate: details.proration_date,
  };
}
