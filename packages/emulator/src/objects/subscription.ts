/** Defines subscriptions and their items. @see https://docs.stripe.com/api/subscriptions/object */
import { now, testClockOf } from "../core/clock.ts";
import { copy } from "../core/copy.ts";
import { newId, newShortId } from "../core/ids.ts";
import type { ObjectSource } from "../core/object-source.ts";
import { endOf, startOf } from "../core/periods.ts";
import { subscriptionTax } from "./automatic-tax.ts";
import type { Coupon } from "./coupon.ts";
import type { DiscountInput } from "./discount.ts";
import type { Price } from "./price.ts";
import type { TaxRate } from "./tax-rate.ts";

export const STATUSES = [
  "incomplete",
  "incomplete_expired",
  "trialing",
  "active",
  "past_due",
  "canceled",
  "unpaid",
  "paused",
] as const;
export type SubscriptionStatus = (typeof STATUSES)[number];

export type Subscription = ReturnType<typeof newSubscription> & { status_details?: StatusDetails };
export type SubscriptionItem = ReturnType<typeof newSubscriptionItem>;

export type PauseReason = "final_payment_failure" | "pause_requested" | "trial_end_without_payment_method";

/** The time and the reason of a pause. Present only while the subscription is paused. */
interface StatusDetails {
  paused: { subscription: { type: PauseReason }; transitioned_at: number; type: "subscription" };
}

export interface ItemInput {
  price: Price;
  quantity: number | undefined;
  metadata?: Record<string, string> | undefined;
  taxRates?: TaxRate[] | undefined;
  discounts?: DiscountInput[];
}

/** A one-time price that the next invoice of a subscription includes. */
export interface AddedInvoiceItem {
  price: Price;
  quantity: number;
  taxRates?: TaxRate[];
  discountable?: boolean;
  discounts?: DiscountInput[];
  metadata?: Record<string, string>;
  period?: AddedPeriod | undefined;
}

/** The period of a one-time price that an invoice of a subscription includes. */
export interface AddedPeriod {
  end: { type: "min_item_period_end" | "timestamp"; timestamp?: number | undefined };
  start: { type: "max_item_period_start" | "now" | "timestamp"; timestamp?: number | undefined };
}

/** The day, month and time in UTC of a billing cycle anchor. */
export interface AnchorConfig {
  day_of_month: number;
  hour: number | null;
  minute: number | null;
  month: number | null;
  second: number | null;
}

export interface NewSubscription {
  customer: string;
  items: ItemInput[];
  /** The currency of all invoices. Default: the default currency of the first item's price. */
  currency?: string | undefined;
  metadata: Record<string, string>;
  description?: string | null;
  trialEnd: number | null;
  anchor?: number | null;
  /** The settings from which Stripe computes the anchor; null if the anchor was given as a time. */
  anchorConfig?: AnchorConfig | null;
  /** True if the first invoice charges for the partial period before the billing cycle anchor. Default true. */
  prorate?: boolean;
  /** The time from which the partial period before the anchor is charged. Default: now. */
  pricedAt?: number | undefined;
  /** The start of a subscription that began before its creation, in epoch seconds. Default: now. */
  startDate?: number | undefined;
  defaultPaymentMethod: string | null;
  discounts?: DiscountInput[];
  /** The coupons of the discounts, if Checkout checked their restrictions before the payment. */
  checkedCoupons?: Coupon[];
  addInvoiceItems?: AddedInvoiceItem[];
  collectionMethod?: "charge_automatically" | "send_invoice";
  daysUntilDue?: number | null;
  cancelAtPeriodEnd?: boolean;
  cancelAt?: CancelAt | null;
  defaultTaxRates?: TaxRate[];
  automaticTax?: boolean;
  missingPaymentMethod?: "create_invoice" | "cancel" | "pause";
  saveDefaultPaymentMethod?: "off" | "on_subscription";
  /** True if a subscription that needs no payment now checks its card with a setup intent. Default false. */
  checksCard?: boolean;
  /** The ID of the schedule that creates the subscription. */
  schedule?: string;
}

export function newSubscription(source: ObjectSource, input: NewSubscription) {
  const at = now(source);
  const id = newId(source, "sub");
  const anchor = input.trialEnd ?? input.anchor ?? at;
  const items = input.items.map((item) =>
    newSubscriptionItem(source, {
      ...item,
      subscription: id,
      anchor,
      trialEnd: input.trialEnd,
      startDate: input.startDate,
    }),
  );
  return {
    id,
    object: "subscription" as const,
    application: null,
    application_fee_percent: null,
    automatic_tax: subscriptionTax(input.automaticTax ?? false),
    billing_cycle_anchor: anchor,
    billing_cycle_anchor_config: input.anchorConfig ?? null,
    billing_mode: { flexible: { proration_discounts: "included" }, type: "flexible", updated_at: at },
    billing_schedules: [],
    billing_thresholds: null,
    ...cancellationFields(input, items, at),
    collection_method: input.collectionMethod ?? "charge_automatically",
    created: at,
    currency: input.currency ?? input.items[0]?.price.currency ?? "usd",
    customer: input.customer,
    customer_account: null,
    days_until_due: input.daysUntilDue ?? null,
    default_payment_method: input.defaultPaymentMethod,
    default_source: null,
    default_tax_rates: input.defaultTaxRates ?? [],
    description: input.description ?? null,
    discounts: [] as string[],
    ended_at: null as number | null,
    invoice_settings: NO_INVOICE_SETTINGS,
    items: {
      object: "list" as const,
      data: items,
      has_more: false,
      total_count: items.length,
      url: `/v1/subscription_items?subscription=${id}`,
    },
    latest_invoice: null as string | null,
    livemode: false as const,
    managed_payments: null,
    metadata: input.metadata,
    next_pending_invoice_item_invoice: null,
    on_behalf_of: null,
    ...pendingFields(input),
    schedule: input.schedule ?? null,
    start_date: input.startDate ?? at,
    status: (input.trialEnd === null ? "incomplete" : "trialing") as SubscriptionStatus,
    test_clock: testClockOf(source, input.customer),
    transfer_data: null,
    ...trialFields(input, at),
  };
}

const NO_INVOICE_SETTINGS = {
  account_tax_ids: null,
  custom_fields: null,
  description: null,
  footer: null,
  issuer: { type: "self" as const },
};

/** A planned end: a time, or the earliest or latest period end of the subscription's items. */
export type CancelAt = number | "max_period_end" | "min_period_end";

/** Returns the time that a planned end stands for, in epoch seconds; null if no end is planned. */
export function cancelTime(items: readonly { current_period_end: number }[], at: CancelAt | null): number | null {
  const ends = items.map((item) => item.current_period_end);
  if (at === "min_period_end") return Math.min(...ends);
  return at === "max_period_end" ? Math.max(...ends) : at;
}

function cancellationFields(input: NewSubscription, items: readonly SubscriptionItem[], at: number) {
  const atPeriodEnd = input.cancelAtPeriodEnd ?? false;
  const cancelAt = atPeriodEnd
    ? Math.min(...items.map((item) => item.current_period_end))
    : cancelTime(items, input.cancelAt ?? null);
  const canceling = cancelAt !== null;
  return {
    cancel_at: cancelAt,
    cancel_at_period_end: atPeriodEnd,
    canceled_at: canceling ? at : null,
    cancellation_details: {
      comment: null as string | null,
      feedback: null as string | null,
      feedback_option: null,
      reason: (canceling ? "cancellation_requested" : null) as string | null,
    },
  };
}

function pendingFields(input: NewSubscription) {
  return {
    pause_collection: null as {
      behavior: "keep_as_draft" | "mark_uncollectible" | "void";
      resumes_at: number | null;
    } | null,
    payment_settings: {
      payment_method_options: null,
      payment_method_types: null,
      save_default_payment_method: input.saveDefaultPaymentMethod ?? "off",
    },
    pending_invoice_item_interval: null,
    pending_setup_intent: null as string | null,
    pending_update: null as {
      billing_cycle_anchor: number | null;
      cancel_at_period_end: null;
      discount: null;
      discounts: null;
      expires_at: number;
      metadata: null;
      subscription_items: object[] | null;
      trial_end: number | null;
      trial_from_plan: null;
    } | null,
  };
}

function trialFields(input: NewSubscription, at: number) {
  return {
    trial_end: input.trialEnd,
    trial_settings: {
      end_behavior: {
        billing_cycle_anchor: null,
        missing_payment_method: input.missingPaymentMethod ?? ("create_invoice" as const),
      },
    },
    trial_start: input.trialEnd === null ? null : at,
  };
}

/** Returns the start of an item's first current period. A backdated item can be in the middle of a period. */
function periodStartOf(
  price: Price,
  { anchor, startDate, at }: { anchor: number; startDate: number | undefined; at: number },
): number {
  if (startDate !== undefined) return Math.max(startDate, startOf(price, anchor, at));
  return anchor < at ? startOf(price, anchor, at) : at;
}

export interface NewItem extends Omit<ItemInput, "discounts"> {
  subscription: string;
  /**
   * The billing cycle anchor in epoch seconds. The billing periods of a subscription item are counted from the billing cycle
   * anchor.
   */
  anchor: number;
  /** The end of the trial in epoch seconds; null if the subscription has no trial. */
  trialEnd: number | null;
  /** The start of the subscription in epoch seconds, if it lies in the past. */
  startDate?: number | undefined;
}

export function newSubscriptionItem(
  source: ObjectSource,
  { subscription, anchor, trialEnd, startDate, price, quantity, metadata, taxRates }: NewItem,
) {
  const at = now(source);
  const metered = price.recurring?.usage_type === "metered";
  return {
    id: newShortId(source, "si"),
    object: "subscription_item" as const,
    billing_thresholds: null,
    created: at,
    current_period_end: trialEnd ?? (anchor > at ? anchor : endOf(price, anchor, at)),
    current_period_start: periodStartOf(price, { anchor, startDate, at }),
    current_trial: null,
    discounts: [] as string[],
    metadata: metadata ?? {},
    price: copy(price),
    ...(!metered && { quantity: quantity ?? 1 }),
    subscription,
    tax_rates: taxRates ?? ([] as TaxRate[]),
  };
}
