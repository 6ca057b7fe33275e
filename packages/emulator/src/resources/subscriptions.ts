/** Defines the API routes of subscriptions. @see https://docs.stripe.com/api/subscriptions */
import { z } from "zod";
import type { Api } from "../api.ts";
import type { PaymentBehavior } from "../billing/collection.ts";
import { defaultCardOf } from "../billing/customer-sources.ts";
import { checkCustomerCurrency } from "../billing/customer-currency.ts";
import { retrieveCustomer } from "../billing/customers.ts";
import { noCard } from "../billing/no-card.ts";
import { startPendingSetup } from "../billing/pending-setup.ts";
import { priceIn } from "../billing/presentment.ts";
import { amountFor } from "../billing/pricing.ts";
import { deletedDiscount, endDiscount } from "../billing/subscriber-discounts.ts";
import { editSubscription, updateSubscription } from "../billing/subscription-changes.ts";
import { proratePlannedEnd } from "../billing/planned-endings.ts";
import { cancelAt, cancelAtPeriodEnd, endSubscription, undoCancellation } from "../billing/subscription-endings.ts";
import { isEnded } from "../billing/subscription-periods.ts";
import { createSubscription, startPayment } from "../billing/subscription-start.ts";
import { moveTrialEnd } from "../billing/subscription-trials.ts";
import { cancelNow } from "../billing/subscription-update.ts";
import { now } from "../core/clock.ts";
import { ApiError } from "../core/errors.ts";
import {
  currency,
  expand,
  flag,
  integer,
  mergeMetadata,
  metadata,
  text,
  unsettable,
  refuseBoth,
} from "../core/params.ts";
import { find, listAll, retrieve } from "../core/rows.ts";
import { search, searchParams } from "../core/search.ts";
import type { Context } from "../core/state.ts";
import { clearTimer, setTimer } from "../core/timers.ts";
import { cancelTime, type ItemInput, type NewSubscription, type Subscription } from "../objects/subscription.ts";
import { anchorChange, collectionMethod, discounts, paymentBehavior, prorationParam } from "./shared-params.ts";
import { addedInvoiceItem, addItemsToNextInvoice, toAddedItems } from "./added-items.ts";
import { changeItems, paymentChoiceOf, throwIfPaymentFails } from "./changed-items.ts";
import { anchorOf, cycleParams, trialEndOf, startDateOf } from "./cycle-params.ts";
import { commonCurrency } from "./chosen-price.ts";
import { checkDueDays } from "./due-days.ts";
import { updateDiscounts } from "./subscription-discounts.ts";
import { listRoute } from "./subscription-list.ts";
import { createItem, itemChanges, itemInputs, updateItem } from "./subscription-items.ts";
import { checkNewSubscription, setSubscriptionTaxes, taxesFrom, taxFields } from "./tax-params.ts";

const trialSettings = z
  .strictObject({
    end_behavior: z.strictObject({ missing_payment_method: z.enum(["cancel", "create_invoice", "pause"]) }),
  })
  .optional();
const details = z
  .strictObject({ comment: unsettable(text).optional(), feedback: unsettable(text).optional() })
  .optional();
const trialEnd = z.union([z.literal("now"), integer]);
const paymentSettings = z
  .strictObject({ save_default_payment_method: z.enum(["off", "on_subscription"]).optional() })
  .optional();
/** @see The type `CancelAt` in `SubscriptionUpdateParams`. */
export const cancelAtParam = z.union([z.enum(["max_period_end", "min_period_end"]), integer]);
const fields = {
  cancel_at_period_end: flag.optional(),
  cancel_at: unsettable(cancelAtParam).optional(),
  collection_method: collectionMethod,
  days_until_due: integer.optional(),
  default_payment_method: unsettable(text).optional(),
  ...taxFields,
  description: unsettable(text).optional(),
  discounts,
  metadata: metadata.optional(),
  off_session: flag.optional(),
  payment_behavior: paymentBehavior,
  payment_settings: paymentSettings,
  proration_behavior: prorationParam,
  trial_end: trialEnd.optional(),
  trial_settings: trialSettings,
  add_invoice_items: z.array(addedInvoiceItem).max(20).optional(),
  expand,
};
const CreateParams = z.strictObject({
  ...fields,
  customer: text,
  currency: currency.optional(),
  items: z.array(createItem).min(1).max(20),
  ...cycleParams,
});
const UpdateParams = z.strictObject({
  ...fields,
  items: z.array(updateItem).optional(),
  billing_cycle_anchor: anchorChange,
  cancellation_details: details,
  pause_collection: unsettable(
    z.strictObject({
      behavior: z.enum(["keep_as_draft", "mark_uncollectible", "void"]),
      resumes_at: integer.optional(),
    }),
  ).optional(),
  proration_date: integer.optional(),
});
const CancelParams = z.strictObject({
  cancellation_details: details,
  invoice_now: flag.optional(),
  prorate: flag.optional(),
  expand,
});

export function subscriptionRoutes(api: Api): void {
  api.post("/v1/subscriptions", CreateParams, create);

  api.get("/v1/subscriptions/search", searchParams, (context, params) =>
    search(context, listAll(context, "subscription"), params, "/v1/subscriptions/search"),
  );

  listRoute(api);

  api.get("/v1/subscriptions/:id", z.strictObject({ expand }), (context, _params, id) =>
    retrieve(context, "subscription", id),
  );
  api.post("/v1/subscriptions/:id", UpdateParams, update);

  api.delete("/v1/subscriptions/:id", CancelParams, (context, params, id) => {
    const subscription = retrieve(context, "subscription", id);
    if (isEnded(subscription)) throw subscriptionNotFound(id);
    Object.assign(subscription.cancellation_details, {
      comment: params.cancellation_details?.comment ?? null,
      feedback: params.cancellation_details?.feedback ?? null,
    });
    const how = { invoiceNow: params.invoice_now ?? false, prorate: params.prorate ?? false };
    cancelNow(context, subscription, how, () => endSubscription(context, subscription, "cancellation_requested"));
    return subscription;
  });

  discountRoutes(api);
}

function discountRoutes(api: Api): void {
  api.delete("/v1/subscriptions/:id/discount", z.strictObject({}), (context, _params, id) => {
    const subscription = retrieve(context, "subscription", id);
    const discount = find(context, "discount", subscription.discounts[0] ?? null);
    if (!discount)
      throw new ApiError(`No active discount for subscription: ${id}`, { status: 404, code: "resource_missing" });
    endDiscount(context, discount);
    return deletedDiscount(discount);
  });
}

export function create(context: Context, params: z.output<typeof CreateParams>): Subscription {
  if (params.cancel_at_period_end) refuseBoth(params, "cancel_at", "cancel_at_period_end");
  const customer = retrieveCustomer(context, params.customer, "customer");
  checkDueDays(params);
  checkCancelAt(context, params);
  const items = itemInputs(context, params.items);
  const billed = commonCurrency(
    items.map(({ price }, index) => ({ price, param: `items[${index}][price]` })),
    params.currency,
  );
  if (billed !== undefined) checkCustomerCurrency(context, customer, billed);
  if (params.default_payment_method) checkOwnMethod(context, customer.id, params.default_payment_method);
  const card = params.default_payment_method ?? defaultCardOf(customer);
  const prices = items.map(({ price }) => price);
  const trial = trialEndOf(context, params, prices);
  const cycle = anchorOf(context, params, { prices, trial });
  const behavior: PaymentBehavior = params.payment_behavior ?? "allow_incomplete";
  const sent = params.collection_method === "send_invoice";
  if (card === null && trial === null && behavior !== "default_incomplete" && !sent && hasCharge(items, billed))
    throw noCard();
  if (behavior === "error_if_incomplete" && trial === null && card !== null) throwIfPaymentFails(context, card);
  const input = {
    ...inputFrom(context, params, billed),
    ...cycle,
    startDate: startDateOf(context, params, trial),
    customer: customer.id,
    items,
    currency: billed,
    trialEnd: trial,
    checksCard: true,
  };
  checkNewSubscription(context, input);
  const { subscription, invoice } = createSubscription(context, input);
  startPayment(context, subscription, invoice, { behavior, onSession: !params.off_session });
  return subscription;
}

function inputFrom(
  context: Context,
  params: z.output<typeof CreateParams>,
  billed: string | undefined,
): Omit<NewSubscription, "anchor" | "customer" | "items" | "trialEnd"> {
  return {
    metadata: mergeMetadata({}, params.metadata),
    description: params.description ?? null,
    prorate: params.proration_behavior !== "none",
    defaultPaymentMethod: params.default_payment_method ?? null,
    discounts: params.discounts ?? [],
    addInvoiceItems: toAddedItems(context, params.add_invoice_items ?? [], billed),
    collectionMethod: params.collection_method ?? "charge_automatically",
    daysUntilDue: params.days_until_due ?? null,
    cancelAtPeriodEnd: params.cancel_at_period_end ?? false,
    cancelAt: params.cancel_at ?? null,
    ...taxesFrom(context, params),
    missingPaymentMethod: params.trial_settings?.end_behavior.missing_payment_method ?? "create_invoice",
    saveDefaultPaymentMethod: params.payment_settings?.save_default_payment_method ?? "off",
  };
}

function hasCharge(items: readonly ItemInput[], billed: string | undefined): boolean {
  return items.some(
    ({ price, quantity }) =>
      price.recurring?.usage_type !== "metered" &&
      amountFor(priceIn(price, billed ?? price.currency), quantity ?? 1) > 0,
  );
}

export function update(context: Context, params: z.output<typeof UpdateParams>, id: string): Subscription {
  const subscription = retrieve(context, "subscription", id);
  if (isEnded(subscription))
    throw new ApiError("A canceled subscription can only update its cancellation_details and metadata.", {
      code: "resource_missing",
      param: "id",
      status: 404,
    });
  if (params.cancel_at_period_end && params.cancel_at !== null) refuseBoth(params, "cancel_at", "cancel_at_period_end");
  const cancels = params.cancel_at_period_end !== undefined || params.cancel_at !== undefined;
  if (subscription.schedule !== null && cancels)
    throw new ApiError(
      `The subscription is managed by the subscription schedule \`${subscription.schedule}\`, and updating any cancelation behavior directly is not allowed. Please update the schedule instead.`,
    );
  if (params.default_payment_method) checkOwnMethod(context, subscription.customer, params.default_payment_method);
  checkDueDays(params, subscription);
  checkCancelAt(context, params);
  updateFields(context, subscription, params);
  if (params.discounts !== undefined) updateDiscounts(context, subscription, params.discounts, params.items);
  updatePauseCollection(context, subscription, params.pause_collection);
  updateCancellation(context, subscription, params);
  addItemsToNextInvoice(context, subscription, params.add_invoice_items ?? []);
  const changesItems = params.items !== undefined || params.billing_cycle_anchor?.type === "now";
  // The invoice of the end of a trial contains the new items. A change within a trial costs nothing.
  const endsTrial = params.trial_end === "now" && subscription.status === "trialing";
  if (!endsTrial) updateTrial(context, subscription, params);
  if (changesItems) updateItems(context, subscription, params);
  if (endsTrial) updateTrial(context, subscription, params);
  return subscription;
}

function updateTrial(context: Context, subscription: Subscription, params: z.output<typeof UpdateParams>): void {
  if (params.trial_end === undefined) return;
  const proration = params.proration_behavior ?? "create_prorations";
  moveTrialEnd(context, subscription, params.trial_end, { payment: paymentChoiceOf(params), proration });
}

function updateFields(context: Context, subscription: Subscription, params: z.output<typeof UpdateParams>): void {
  editSubscription(context, subscription, (row) => {
    if (params.default_payment_method !== undefined) {
      row.default_payment_method = params.default_payment_method;
      if (params.default_payment_method !== null)
        row.pending_setup_intent = startPendingSetup(context, row, params.default_payment_method);
    }
    setSubscriptionTaxes(context, row, params);
    if (params.description !== undefined) row.description = params.description;
    if (params.collection_method !== undefined) row.collection_method = params.collection_method;
    if (params.days_until_due !== undefined) row.days_until_due = params.days_until_due;
    if (row.collection_method === "charge_automatically") row.days_until_due = null;
    if (params.trial_settings !== undefined)
      Object.assign(row.trial_settings.end_behavior, params.trial_settings.end_behavior);
    if (params.payment_settings?.save_default_payment_method !== undefined)
      row.payment_settings.save_default_payment_method = params.payment_settings.save_default_payment_method;
    row.metadata = mergeMetadata(row.metadata, params.metadata);
  });
}

function updatePauseCollection(
  context: Context,
  subscription: Subscription,
  wanted: z.output<typeof UpdateParams>["pause_collection"],
): void {
  if (wanted === undefined) return;
  const resumesAt = wanted?.resumes_at ?? null;
  updateSubscription(context, subscription, {
    pause_collection: wanted && { behavior: wanted.behavior, resumes_at: resumesAt },
  });
  if (resumesAt === null) clearTimer(context, "pause_ends", subscription.id);
  else setTimer(context, "pause_ends", subscription.id, resumesAt);
}

function updateCancellation(context: Context, subscription: Subscription, params: z.output<typeof UpdateParams>): void {
  const given = params.cancellation_details ?? {};
  const { cancel_at: at, cancel_at_period_end: atPeriodEnd } = params;
  if (atPeriodEnd === undefined && at === undefined) return;
  if (atPeriodEnd === true) cancelAtPeriodEnd(context, subscription, given);
  else {
    const time = cancelTime(subscription.items.data, at ?? null);
    if (time === null) undoCancellation(context, subscription);
    else cancelAt(context, subscription, time, given);
  }
  // The invoice of a change of items at the same time also contains the prorations of the planned end.
  const behavior = params.proration_behavior ?? "create_prorations";
  const proration = params.items && behavior === "always_invoice" ? "create_prorations" : behavior;
  proratePlannedEnd(context, subscription, { proration, payment: paymentChoiceOf(params) });
}

function checkCancelAt(context: Context, { cancel_at: at }: Pick<z.output<typeof UpdateParams>, "cancel_at">): void {
  if (typeof at === "number" && at <= now(context))
    throw new ApiError("`cancel_at` must be in the future.", { param: "cancel_at" });
}

function updateItems(context: Context, subscription: Subscription, params: z.output<typeof UpdateParams>): void {
  const items = itemChanges(context, subscription, params.items ?? []);
  changeItems(context, subscription, { items, anchor: params.billing_cycle_anchor?.type }, params);
}

/** Returns Stripe's 404 error for a subscription that is already canceled. */
function subscriptionNotFound(id: string): ApiError {
  return new ApiError(`No such subscription: '${id}'`, { status: 404, code: "resource_missing", param: "id" });
}

function checkOwnMethod(context: Context, customer: string, method: string): void {
  if (retrieve(context, "payment_method", method, "default_payment_method").customer !== customer)
    throw new ApiError(
      `The customer does not have a payment method with the ID ${method}. The payment method must be attached to the customer.`,
      { code: "resource_missing", param: "default_payment_method" },
    );
}
