/** Defines the API routes of subscription schedules. @see https://docs.stripe.com/api/subscription_schedules */
import { z } from "zod";
import type { Api } from "../api.ts";
import { checkTaxes } from "../billing/automatic-tax.ts";
import { checkCustomerCurrency } from "../billing/customer-currency.ts";
import { retrieveCustomer } from "../billing/customers.ts";
import { beginSchedule, enterPhase } from "../billing/schedule-phases.ts";
import {
  cancelUnstarted,
  emptyPhase,
  isLiveSchedule,
  phaseAt,
  releaseSchedule,
  setScheduleTimers,
} from "../billing/schedules.ts";
import { checkPhaseDiscounts, keepDiscounts, withoutKnownDiscounts } from "../billing/schedule-discounts.ts";
import { attachSchedule } from "../billing/scheduled-changes.ts";
import { endSubscription, undoCancellation } from "../billing/subscription-endings.ts";
import { isEnded } from "../billing/subscription-periods.ts";
import { cancelNow } from "../billing/subscription-update.ts";
import { taxRatesOf } from "../billing/taxes.ts";
import { now } from "../core/clock.ts";
import { ApiError } from "../core/errors.ts";
import { emit, emitChange } from "../core/events.ts";
import { hasFields, inRange, paginate } from "../core/pagination.ts";
import {
  currency,
  expand,
  flag,
  integer,
  listParams,
  mergeMetadata,
  metadata,
  nonNegative,
  text,
  timeRange,
  unsettable,
} from "../core/params.ts";
import { periodEnd } from "../core/periods.ts";
import { find, insert, listAll, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { subscriptionTax } from "../objects/automatic-tax.ts";
import { newSchedule, type Phase, type PhaseItem, type Schedule } from "../objects/subscription-schedule.ts";
import { phaseAddedItem } from "./added-items.ts";
import { withPlanAsPrice } from "./legacy-plans.ts";
import { addedItemsFrom, checkPhaseCurrency, currencyOfItems, phaseDiscounts } from "./phase-items.ts";
import { recurringPriceData } from "./price-params.ts";
import { createInlinePrice } from "./prices.ts";
import { collectionMethod, discounts, intervalParam, prorationParam } from "./shared-params.ts";
import { recurringPrice } from "./subscription-items.ts";
import { automaticTax, checkLocation, taxFields, taxRates } from "./tax-params.ts";

const anchor = z.enum(["automatic", "phase_start"]).optional();
const phaseItem = z.strictObject({
  plan: text.optional(),
  price: text.optional(),
  price_data: recurringPriceData.optional(),
  quantity: nonNegative.optional(),
  metadata: metadata.optional(),
  discounts,
  tax_rates: taxRates,
});
export const phase = z.strictObject({
  items: z.array(phaseItem).min(1),
  add_invoice_items: z.array(phaseAddedItem).optional(),
  ...taxFields,
  billing_cycle_anchor: anchor,
  collection_method: collectionMethod,
  currency: currency.optional(),
  default_payment_method: text.optional(),
  description: unsettable(text).optional(),
  discounts,
  duration: z.strictObject({ interval: intervalParam, interval_count: integer.optional() }).optional(),
  end_date: z.union([z.literal("now"), integer]).optional(),
  metadata: metadata.optional(),
  proration_behavior: prorationParam,
  start_date: z.union([z.literal("now"), integer]).optional(),
  trial: flag.optional(),
  trial_end: z.union([z.literal("now"), integer]).optional(),
});
type PhaseInput = z.output<typeof phase>;
const fields = {
  default_settings: z
    .strictObject({
      automatic_tax: automaticTax,
      billing_cycle_anchor: anchor,
      collection_method: collectionMethod,
      default_payment_method: text.optional(),
      description: unsettable(text).optional(),
      invoice_settings: z.strictObject({ days_until_due: integer.optional() }).optional(),
    })
    .optional(),
  end_behavior: z.enum(["cancel", "none", "release", "renew"]).optional(),
  metadata: metadata.optional(),
  phases: z.array(phase).min(1).max(10).optional(),
  expand,
};
const CreateParams = z.strictObject({
  ...fields,
  customer: text.optional(),
  from_subscription: text.optional(),
  start_date: z.union([z.literal("now"), integer]).optional(),
});
const UpdateParams = z.strictObject({ ...fields, proration_behavior: prorationParam });
const ListParams = z.strictObject({
  ...listParams,
  canceled_at: timeRange.optional(),
  completed_at: timeRange.optional(),
  customer: text.optional(),
  released_at: timeRange.optional(),
  scheduled: flag.optional(),
});
const CancelParams = z.strictObject({ invoice_now: flag.optional(), prorate: flag.optional(), expand });
const ReleaseParams = z.strictObject({ preserve_cancel_date: flag.optional(), expand });

export function subscriptionScheduleRoutes(api: Api): void {
  api.post("/v1/subscription_schedules", CreateParams, (context, params) =>
    params.from_subscription === undefined
      ? createFromPhases(context, params)
      : createFromSubscription(context, params, params.from_subscription),
  );
  api.get("/v1/subscription_schedules", ListParams, (context, params) => {
    return paginate(context, listAll(context, "subscription_schedule"), params, {
      url: "/v1/subscription_schedules",
      filter: (row) =>
        hasFields(row, { customer: params.customer }) &&
        inRange(row.canceled_at, params.canceled_at) &&
        inRange(row.completed_at, params.completed_at) &&
        inRange(row.released_at, params.released_at) &&
        (params.scheduled !== true || row.status === "not_started"),
    });
  });
  api.get("/v1/subscription_schedules/:id", z.strictObject({ expand }), (context, _params, id) =>
    retrieve(context, "subscription_schedule", id),
  );
  api.post("/v1/subscription_schedules/:id", UpdateParams, updateSchedule);
  api.post("/v1/subscription_schedules/:id/cancel", CancelParams, (context, params, id) => {
    const schedule = needLive(context, id, "cancel");
    const subscription = find(context, "subscription", schedule.subscription);
    if (!subscription || isEnded(subscription)) cancelUnstarted(context, schedule);
    else
      cancelNow(
        context,
        subscription,
        { invoiceNow: params.invoice_now ?? true, prorate: params.prorate ?? true },
        () => endSubscription(context, subscription, "cancellation_requested"),
      );
    return schedule;
  });
  api.post("/v1/subscription_schedules/:id/release", ReleaseParams, (context, params, id) => {
    const schedule = needLive(context, id, "release");
    const subscription = find(context, "subscription", schedule.subscription);
    releaseSchedule(context, schedule, "released");
    if (subscription?.cancel_at && !params.preserve_cancel_date) undoCancellation(context, subscription);
    return schedule;
  });
}

function needLive(context: Context, id: string, what: string): Schedule {
  const schedule = retrieve(context, "subscription_schedule", id);
  if (isLiveSchedule(schedule)) return schedule;
  throw new ApiError(
    `You cannot ${what} a subscription schedule that is currently in the \`${schedule.status}\` status. It must be \`not_started\` or \`active\`.`,
  );
}

function createFromSubscription(context: Context, params: z.output<typeof CreateParams>, id: string): Schedule {
  for (const name of ["customer", "phases", "start_date", "default_settings", "end_behavior"] as const)
    if (params[name] !== undefined)
      throw new ApiError(`You may not specify \`${name}\` with \`from_subscription\`.`, { param: name });
  const subscription = retrieve(context, "subscription", id, "from_subscription");
  if (subscription.schedule !== null)
    throw new ApiError(
      `You cannot migrate a subscription that is already attached to a schedule: \`${subscription.schedule}\`.`,
      { param: "from_subscription" },
    );
  if (isEnded(subscription))
    throw new ApiError("You cannot migrate a subscription that has ended.", { param: "from_subscription" });
  if (subscription.status === "paused")
    throw new ApiError("You cannot attach a schedule to a paused subscription.", { param: "from_subscription" });
  return attachSchedule(context, subscription, { metadata: mergeMetadata({}, params.metadata) });
}

export function createFromPhases(context: Context, params: z.output<typeof CreateParams>): Schedule {
  if (params.customer === undefined) throw missing("customer");
  if (params.phases === undefined) throw missing("phases");
  if (params.start_date === undefined) throw missing("start_date");
  const customer = retrieveCustomer(context, params.customer, "customer");
  const at = now(context);
  const starts = params.start_date === "now" ? at : params.start_date;
  if (starts < at)
    throw new ApiError("The emulator cannot start a schedule in the past: `start_date` must be now or later.", {
      param: "start_date",
    });
  const phases = phasesOf(context, params.phases, starts);
  checkCustomerCurrency(context, customer, phases[0]?.currency ?? "usd");
  const schedule = newSchedule(context, {
    customer: customer.id,
    phases,
    endBehavior: params.end_behavior ?? "release",
    metadata: mergeMetadata({}, params.metadata),
  });
  for (const [index, made] of schedule.phases.entries())
    checkPhaseDiscounts(context, made, customer.id, `phases[${index}]`);
  applySettings(schedule, params);
  checkScheduleTaxes(context, schedule);
  insert(context, "subscription_schedule", schedule);
  const [first] = schedule.phases;
  if (first && starts <= at) {
    schedule.status = "active";
    schedule.current_phase = { end_date: first.end_date, start_date: first.start_date };
    beginSchedule(context, schedule, first);
  }
  emit(context, "subscription_schedule.created", schedule);
  setScheduleTimers(context, schedule);
  return schedule;
}

export function updateSchedule(context: Context, params: z.output<typeof UpdateParams>, id: string): Schedule {
  const schedule = needLive(context, id, "update");
  const phases =
    params.phases && phasesOf(context, params.phases, firstPhaseStart(context, schedule, params.phases), schedule);
  const before = phaseAt(schedule, now(context));
  for (const [index, made] of (phases ?? []).entries()) {
    const known = schedule.phases.find(({ start_date: start }) => start === made.start_date) ?? null;
    checkPhaseDiscounts(context, withoutKnownDiscounts(made, known), schedule.customer, `phases[${index}]`);
  }
  const current = phases?.find(({ start_date, end_date }) => start_date <= now(context) && now(context) < end_date);
  if (phases && schedule.status === "active" && !current)
    throw new ApiError("The current phase must be among the `phases`.", { param: "phases" });
  emitChange(context, "subscription_schedule.updated", schedule, (row) => {
    applySettings(row, params);
    if (params.end_behavior !== undefined) row.end_behavior = params.end_behavior;
    row.metadata = mergeMetadata(row.metadata, params.metadata);
    if (phases) row.phases = phases;
    if (current && row.status === "active")
      row.current_phase = { end_date: current.end_date, start_date: current.start_date };
    checkScheduleTaxes(context, row);
  });
  const subscription = find(context, "subscription", schedule.subscription);
  if (current && subscription && !isEnded(subscription))
    enterPhase(
      context,
      subscription,
      keepDiscounts(subscription, before, { ...current, add_invoice_items: [] }),
      params.proration_behavior ?? "create_prorations",
    );
  setScheduleTimers(context, schedule);
  return schedule;
}

function applySettings(schedule: Schedule, params: Pick<z.output<typeof UpdateParams>, "default_settings">): void {
  const given = params.default_settings;
  if (!given) return;
  const settings = schedule.default_settings;
  if (given.automatic_tax) settings.automatic_tax = subscriptionTax(given.automatic_tax.enabled);
  if (given.billing_cycle_anchor !== undefined) settings.billing_cycle_anchor = given.billing_cycle_anchor;
  if (given.collection_method !== undefined) settings.collection_method = given.collection_method;
  if (given.default_payment_method !== undefined) settings.default_payment_method = given.default_payment_method;
  if (given.description !== undefined) settings.description = given.description;
  if (given.invoice_settings?.days_until_due !== undefined)
    settings.invoice_settings.days_until_due = given.invoice_settings.days_until_due;
}

/** Throws if the taxes of a phase contradict each other, or if automatic tax has no location. */
function checkScheduleTaxes(context: Context, { customer, default_settings: settings, phases }: Schedule): void {
  for (const one of phases) {
    const automatic = (one.automatic_tax ?? settings.automatic_tax).enabled;
    const sold = [...one.items, ...one.add_invoice_items].map(({ price, tax_rates: rates }) => ({
      price: retrieve(context, "price", price),
      taxRates: rates,
    }));
    checkTaxes(context, { automatic, sold, defaultTaxRates: one.default_tax_rates });
    if (automatic) checkLocation(context, customer, [one.default_payment_method, settings.default_payment_method]);
  }
}

function firstPhaseStart(context: Context, schedule: Schedule, phases: readonly PhaseInput[]): number {
  const known = schedule.current_phase?.start_date ?? schedule.phases[0]?.start_date ?? now(context);
  const given = phases[0]?.start_date;
  if (given === undefined) return known;
  const starts = given === "now" ? now(context) : given;
  if (schedule.status === "active" && starts !== known)
    throw new ApiError("You can not modify the `start_date` of the current phase.", { param: "phases[0][start_date]" });
  return starts;
}

/**
 * Returns the phases of a schedule in order, without gaps. A phase ends at its `end_date`, at the start of the next
 * phase, or after its duration.
 */
function phasesOf(context: Context, inputs: readonly PhaseInput[], starts: number, schedule?: Schedule): Phase[] {
  const phases: Phase[] = [];
  let start = starts;
  for (const [index, input] of inputs.entries()) {
    const param = `phases[${index}]`;
    const made = phaseFrom(context, input, start, { param, next: inputs[index + 1] });
    checkPhaseCurrency(made, phases[0] ?? schedule?.phases[0] ?? made, param);
    if (made.end_date <= start)
      throw new ApiError("The phase's `end_date` must be after its `start_date`.", { param: `${param}[end_date]` });
    const given = input.start_date === "now" ? now(context) : input.start_date;
    if (index > 0 && given !== undefined && given !== start)
      throw new ApiError("Phases must follow each other without a gap.", { param: `${param}[start_date]` });
    phases.push(made);
    start = made.end_date;
  }
  const last = phases.at(-1)?.end_date ?? 0;
  if (schedule && last <= now(context)) throw new ApiError("The last phase has already ended.", { param: "phases" });
  return phases;
}

function phaseFrom(
  context: Context,
  input: PhaseInput,
  start: number,
  { param, next }: { param: string; next: PhaseInput | undefined },
): Phase {
  if (input.duration && input.end_date !== undefined)
    throw new ApiError("You may only specify one of these parameters: duration, end_date.", { param });
  const items = input.items.map((item, at) => phaseItemFrom(context, item, `${param}[items][${at}]`));
  const price = retrieve(context, "price", items[0]?.price ?? "");
  const billed = currencyOfItems(context, items, { wanted: input.currency, param });
  const { interval, interval_count } = input.duration ?? price.recurring ?? { interval: "month" as const };
  const at = (given: number | "now" | undefined) => (given === "now" ? now(context) : given);
  const ends = at(input.end_date) ?? (input.duration ? undefined : at(next?.start_date));
  const endDate = ends ?? periodEnd(start, interval, interval_count ?? 1, start);
  return {
    ...emptyPhase(billed),
    items,
    add_invoice_items: addedItemsFrom(context, input.add_invoice_items, { billed, param }),
    ...(input.automatic_tax && { automatic_tax: subscriptionTax(input.automatic_tax.enabled) }),
    default_tax_rates: taxRatesOf(context, input.default_tax_rates, `${param}[default_tax_rates]`),
    billing_cycle_anchor: input.billing_cycle_anchor ?? null,
    collection_method: input.collection_method ?? null,
    default_payment_method: input.default_payment_method ?? null,
    description: input.description ?? null,
    discounts: phaseDiscounts(input.discounts),
    metadata: mergeMetadata({}, input.metadata),
    proration_behavior: input.proration_behavior ?? "create_prorations",
    start_date: start,
    end_date: endDate,
    trial_end: input.trial ? endDate : (at(input.trial_end) ?? null),
  };
}

function phaseItemFrom(context: Context, given: z.output<typeof phaseItem>, param: string): PhaseItem {
  const item = withPlanAsPrice(context, given, param);
  if (item.price === undefined && !item.price_data) throw missing(`${param}[price]`);
  const price = item.price_data
    ? createInlinePrice(context, item.price_data, `${param}[price_data]`)
    : recurringPrice(context, item.price ?? "", `${param}[price]`);
  return {
    billing_thresholds: null,
    discounts: phaseDiscounts(item.discounts),
    metadata: mergeMetadata({}, item.metadata),
    plan: price.id,
    price: price.id,
    ...(price.recurring?.usage_type !== "metered" && { quantity: item.quantity ?? 1 }),
    tax_rates: taxRatesOf(context, item.tax_rates, `${param}[tax_rates]`),
  };
}

function missing(param: string): ApiError {
  return new ApiError(`Missing required param: ${param}.`, { code: "parameter_missing", param });
}
