/** Subscriptions over the API. @see https://docs.stripe.com/api/subscriptions */
import { taxRatesOf } from "../billing/taxes.ts";
import { needCustomer } from "../billing/customers.ts";
import { isOver } from "../billing/subscription-periods.ts";
import { edit } from "../billing/subscription-changes.ts";
import { z } from "zod";
import type { Api } from "../api.ts";
import { redeemAll } from "../billing/discounts.ts";
import { cardOutcome } from "../billing/payments.ts";
import { holdChange } from "../billing/pending-updates.ts";
import { amountFor } from "../billing/pricing.ts";
import { update } from "../billing/subscription-changes.ts";
import { cancelAt, cancelAtPeriodEnd, end, undoCancellation } from "../billing/subscription-endings.ts";
import { pause, resume } from "../billing/subscription-pauses.ts";
import { createSubscription, startPayment, type PaymentBehavior } from "../billing/subscription-start.ts";
import { moveTrialEnd } from "../billing/subscription-trials.ts";
import type { ItemInput, Subscription } from "../billing/subscriptions.ts";
import { applyChange, cancelNow, cardOf, planChange } from "../billing/subscription-update.ts";
import { ApiError } from "../core/errors.ts";
import { inRange, page } from "../core/lists.ts";
import {
  expand,
  flag,
  integer,
  listParams,
  mergeMetadata,
  metadata,
  text,
  timeRange,
  unsettable,
  whole,
} from "../core/params.ts";
import { clearTimer, setTimer } from "../core/timers.ts";
import { search, searchParams } from "../core/search.ts";
import { all, find, need, now, of, type World } from "../core/world.ts";

import { noCard } from "./invoices.ts";
import { createItem, itemChanges, itemInputs, updateItem } from "./subscription-items.ts";
import { collectionMethod, discounts, prorationParam, taxRates } from "./shared-params.ts";

const DAY = 86_400;
const behavior = z
  .enum(["allow_incomplete", "default_incomplete", "error_if_incomplete", "pending_if_incomplete"])
  .optional();
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
const fields = {
  cancel_at_period_end: flag.optional(),
  cancel_at: unsettable(integer).optional(),
  collection_method: collectionMethod,
  days_until_due: integer.optional(),
  default_payment_method: unsettable(text).optional(),
  default_tax_rates: taxRates,
  description: unsettable(text).optional(),
  discounts,
  metadata: metadata.optional(),
  off_session: flag.optional(),
  payment_behavior: behavior,
  payment_settings: paymentSettings,
  proration_behavior: prorationParam,
  trial_end: trialEnd.optional(),
  trial_settings: trialSettings,
  add_invoice_items: z.array(z.strictObject({ price: text, quantity: whole.optional() })).optional(),
  expand,
};
const CreateParams = z.strictObject({
  ...fields,
  customer: text,
  items: z.array(createItem).min(1).max(20),
  billing_cycle_anchor: integer.optional(),
  trial_period_days: integer.pipe(z.number().min(1).max(730)).optional(),
});
const UpdateParams = z.strictObject({
  ...fields,
  items: z.array(updateItem).optional(),
  billing_cycle_anchor: z.enum(["now", "unchanged"]).optional(),
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
const ListParams = z.strictObject({
  ...listParams,
  customer: text.optional(),
  price: text.optional(),
  status: text.optional(),
  collection_method: text.optional(),
  current_period_start: timeRange.optional(),
  current_period_end: timeRange.optional(),
  test_clock: text.optional(),
});
const ResumeParams = z.strictObject({
  billing_cycle_anchor: z.enum(["now", "unchanged"]).optional(),
  proration_behavior: prorationParam,
  expand,
});

export function subscriptionRoutes(api: Api): void {
  api.post("/v1/subscriptions", CreateParams, create);

  api.get("/v1/subscriptions/search", searchParams, (world, params) =>
    search(world, all(world, "subscription"), params, "/v1/subscriptions/search"),
  );

  api.get("/v1/subscriptions", ListParams, (world, params) => {
    const candidates =
      params.customer === undefined
        ? all(world, "subscription")
        : of(world, "subscription", "customer", params.customer);
    const isAsked = (row: Subscription): boolean =>
      (params.price === undefined || row.items.data.some((item) => item.price.id === params.price)) &&
      (params.collection_method === undefined || row.collection_method === params.collection_method) &&
      (params.test_clock === undefined || row.test_clock === params.test_clock) &&
      inRange(latestStart(row), params.current_period_start) &&
      inRange(earliestEnd(row), params.current_period_end) &&
      matchesStatus(row, params.status);
    return page(world, candidates, params, "/v1/subscriptions", isAsked);
  });

  api.get("/v1/subscriptions/:id", z.strictObject({ expand }), (world, _params, id) => need(world, "subscription", id));
  api.post("/v1/subscriptions/:id", UpdateParams, change);

  api.delete("/v1/subscriptions/:id", CancelParams, (world, params, id) => {
    const subscription = need(world, "subscription", id);
    if (isOver(subscription)) throw gone(id);
    Object.assign(subscription.cancellation_details, {
      comment: params.cancellation_details?.comment ?? null,
      feedback: params.cancellation_details?.feedback ?? null,
    });
    const how = { invoiceNow: params.invoice_now ?? false, prorate: params.prorate ?? false };
    cancelNow(world, subscription, how, () => end(world, subscription, "cancellation_requested"));
    return subscription;
  });

  api.post("/v1/subscriptions/:id/pause", z.strictObject({ expand }), (world, _params, id) => {
    const subscription = need(world, "subscription", id);
    if (subscription.status !== "active" && subscription.status !== "trialing")
      throw new ApiError(`Only active and trialing subscriptions can be paused. This one is ${subscription.status}.`);
    pause(world, subscription);
    return subscription;
  });

  api.post("/v1/subscriptions/:id/resume", ResumeParams, (world, params, id) => {
    const subscription = need(world, "subscription", id);
    if (subscription.status !== "paused")
      throw new ApiError("You can only resume a subscription that has a status of `paused`.");
    resume(world, subscription, params.billing_cycle_anchor ?? "now");
    return subscription;
  });

  api.delete("/v1/subscriptions/:id/discount", z.strictObject({}), (world, _params, id) => {
    const subscription = need(world, "subscription", id);
    const discount = find(world, "discount", subscription.discounts[0] ?? null);
    if (!discount)
      throw new ApiError(`No active discount for subscription: ${id}`, { status: 404, code: "resource_missing" });
    edit(world, subscription, (row) => {
      row.discounts = [];
    });
    return { ...discount, deleted: true };
  });
}

function create(world: World, params: z.output<typeof CreateParams>): Subscription {
  const customer = needCustomer(world, params.customer, "customer");
  const items = itemInputs(world, params.items);
  if (params.default_payment_method) ownMethod(world, customer.id, params.default_payment_method);
  const card = params.default_payment_method ?? customer.invoice_settings.default_payment_method;
  const trial = trialEndOf(world, params);
  const paymentBehavior: PaymentBehavior = params.payment_behavior ?? "allow_incomplete";
  const sent = params.collection_method === "send_invoice";
  if (card === null && trial === null && paymentBehavior !== "default_incomplete" && !sent && costs(items))
    throw noCard();
  if (paymentBehavior === "error_if_incomplete" && trial === null && card !== null) refuseWhatFails(world, card);
  const { subscription, invoice } = createSubscription(world, {
    customer: customer.id,
    items,
    metadata: mergeMetadata({}, params.metadata),
    description: params.description ?? null,
    trialEnd: trial,
    anchor: params.billing_cycle_anchor ?? null,
    prorate: params.proration_behavior !== "none",
    defaultPaymentMethod: params.default_payment_method ?? null,
    discounts: params.discounts ?? [],
    addInvoiceItems: (params.add_invoice_items ?? []).map(({ price, quantity }, index) => ({
      price: need(world, "price", price, `add_invoice_items[${index}][price]`),
      quantity: quantity ?? 1,
    })),
    collectionMethod: params.collection_method ?? "charge_automatically",
    daysUntilDue: params.days_until_due ?? null,
    cancelAtPeriodEnd: params.cancel_at_period_end ?? false,
    cancelAt: params.cancel_at ?? null,
    defaultTaxRates: taxRatesOf(world, params.default_tax_rates, "default_tax_rates"),
    missingPaymentMethod: params.trial_settings?.end_behavior.missing_payment_method ?? "create_invoice",
    saveDefaultPaymentMethod: params.payment_settings?.save_default_payment_method ?? "off",
  });
  startPayment(world, subscription, invoice, { behavior: paymentBehavior, onSession: !params.off_session });
  return subscription;
}

function costs(items: readonly ItemInput[]): boolean {
  return items.some(
    ({ price, quantity }) => amountFor(price, quantity ?? 1) > 0 && price.recurring?.usage_type !== "metered",
  );
}

function trialEndOf(world: World, params: z.output<typeof CreateParams>): number | null {
  if (params.trial_period_days !== undefined) return now(world) + params.trial_period_days * DAY;
  if (params.trial_end === undefined || params.trial_end === "now") return null;
  if (params.trial_end <= now(world))
    throw new ApiError("Invalid timestamp: `trial_end` must be in the future.", { param: "trial_end" });
  return params.trial_end;
}

/** `error_if_incomplete`: what would not be paid at once is refused before anything is made. */
function refuseWhatFails(world: World, card: string): void {
  const outcome = cardOutcome(world, card, true);
  if (outcome.kind === "succeeds") return;
  if (outcome.kind === "authenticates")
    throw new ApiError("Your card was declined. This transaction requires authentication.", {
      status: 402,
      type: "card_error",
      code: "subscription_payment_intent_requires_action",
    });
  throw new ApiError(outcome.message, {
    status: 402,
    type: "card_error",
    code: outcome.code,
    decline_code: outcome.declineCode,
  });
}

function change(world: World, params: z.output<typeof UpdateParams>, id: string): Subscription {
  const subscription = need(world, "subscription", id);
  if (isOver(subscription))
    throw new ApiError("A canceled subscription can only update its cancellation_details and metadata.", {
      code: "resource_missing",
      param: "id",
      status: 404,
    });
  const cancels = params.cancel_at_period_end !== undefined || params.cancel_at !== undefined;
  if (subscription.schedule !== null && cancels)
    throw new ApiError(
      `The subscription is managed by the subscription schedule \`${subscription.schedule}\`, and updating any cancelation behavior directly is not allowed. Please update the schedule instead.`,
    );
  if (params.default_payment_method) ownMethod(world, subscription.customer, params.default_payment_method);
  changePlain(world, subscription, params);
  changePause(world, subscription, params.pause_collection);
  changeCancellation(world, subscription, params);
  if (params.trial_end !== undefined) moveTrialEnd(world, subscription, params.trial_end);
  if (params.items !== undefined || params.billing_cycle_anchor === "now")
    changeWhatIsSold(world, subscription, params);
  return subscription;
}

function changePlain(world: World, subscription: Subscription, params: z.output<typeof UpdateParams>): void {
  edit(world, subscription, (row) => {
    if (params.default_payment_method !== undefined) row.default_payment_method = params.default_payment_method;
    if (params.default_tax_rates !== undefined)
      row.default_tax_rates = taxRatesOf(world, params.default_tax_rates, "default_tax_rates");
    if (params.description !== undefined) row.description = params.description;
    if (params.collection_method !== undefined) row.collection_method = params.collection_method;
    if (params.days_until_due !== undefined) row.days_until_due = params.days_until_due;
    if (params.trial_settings !== undefined)
      Object.assign(row.trial_settings.end_behavior, params.trial_settings.end_behavior);
    if (params.payment_settings?.save_default_payment_method !== undefined)
      row.payment_settings.save_default_payment_method = params.payment_settings.save_default_payment_method;
    if (params.discounts !== undefined)
      row.discounts = redeemAll(world, params.discounts ?? [], { customer: row.customer, subscription: row.id });
    row.metadata = mergeMetadata(row.metadata, params.metadata);
  });
}

function changePause(
  world: World,
  subscription: Subscription,
  wanted: z.output<typeof UpdateParams>["pause_collection"],
): void {
  if (wanted === undefined) return;
  const resumesAt = wanted?.resumes_at ?? null;
  update(world, subscription, { pause_collection: wanted && { behavior: wanted.behavior, resumes_at: resumesAt } });
  if (resumesAt === null) clearTimer(world, "pause_ends", subscription.id);
  else setTimer(world, "pause_ends", subscription.id, resumesAt);
}

function changeCancellation(world: World, subscription: Subscription, params: z.output<typeof UpdateParams>): void {
  const given = params.cancellation_details ?? {};
  if (params.cancel_at_period_end === true) cancelAtPeriodEnd(world, subscription, given);
  else if (typeof params.cancel_at === "number") {
    if (params.cancel_at <= now(world))
      throw new ApiError("`cancel_at` must be in the future.", { param: "cancel_at" });
    cancelAt(world, subscription, params.cancel_at, given);
  } else if (params.cancel_at_period_end === false || params.cancel_at === null) undoCancellation(world, subscription);
}

function changeWhatIsSold(world: World, subscription: Subscription, params: z.output<typeof UpdateParams>): void {
  const prorationBehavior = params.proration_behavior ?? "create_prorations";
  const plan = planChange(world, subscription, {
    items: itemChanges(world, params.items ?? []),
    prorationBehavior,
    prorationDate: params.proration_date,
    anchor: params.billing_cycle_anchor,
  });
  const card = cardOf(world, subscription);
  if (params.payment_behavior === "error_if_incomplete" && card !== null) refuseWhatFails(world, card);
  const fails = card === null || cardOutcome(world, card, true).kind !== "succeeds";
  if (params.payment_behavior === "pending_if_incomplete" && fails) holdChange(world, subscription, plan);
  else applyChange(world, subscription, plan, prorationBehavior);
}

/** A canceled subscription is as good as not there. */
function gone(id: string): ApiError {
  return new ApiError(`No such subscription: '${id}'`, { status: 404, code: "resource_missing", param: "id" });
}

function ownMethod(world: World, customer: string, method: string): void {
  if (need(world, "payment_method", method, "default_payment_method").customer !== customer)
    throw new ApiError(
      `The customer does not have a payment method with the ID ${method}. The payment method must be attached to the customer.`,
      { code: "resource_missing", param: "default_payment_method" },
    );
}

/** By which lists know when a subscription with several periods began its own. */
function latestStart({ items }: Subscription): number {
  return Math.max(...items.data.map((item) => item.current_period_start));
}

function earliestEnd({ items }: Subscription): number {
  return Math.min(...items.data.map((item) => item.current_period_end));
}

/** Canceled ones are listed only where they are asked for. */
function matchesStatus(subscription: Subscription, status: string | undefined): boolean {
  if (status === "all") return true;
  if (status === undefined) return subscription.status !== "canceled" && subscription.status !== "incomplete_expired";
  if (status === "ended") return isOver(subscription);
  return subscription.status === status;
}
