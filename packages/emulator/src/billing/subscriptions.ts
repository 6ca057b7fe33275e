/** Subscriptions and their items as rows. @see https://docs.stripe.com/api/subscriptions/object */
import type { TaxRate } from "../resources/tax-rates.ts";
import { newId, newShortId } from "../core/ids.ts";
import { copy, find, now, type World } from "../core/world.ts";
import type { Price } from "../resources/prices.ts";
import type { DiscountInput } from "./discounts.ts";
import { endOf, startOf } from "./subscription-periods.ts";

export type SubscriptionStatus =
  | "incomplete"
  | "incomplete_expired"
  | "trialing"
  | "active"
  | "past_due"
  | "canceled"
  | "unpaid"
  | "paused";

export type Subscription = ReturnType<typeof newSubscription>;
export type SubscriptionItem = ReturnType<typeof newItem>;

export interface ItemInput {
  price: Price;
  quantity: number | undefined;
  metadata?: Record<string, string> | undefined;
  taxRates?: TaxRate[] | undefined;
  discounts?: DiscountInput[];
}

export interface NewSubscription {
  customer: string;
  items: ItemInput[];
  metadata: Record<string, string>;
  description?: string | null;
  trialEnd: number | null;
  anchor?: number | null;
  /** Whether a first stub before the anchor is charged. Default true. */
  prorate?: boolean;
  defaultPaymentMethod: string | null;
  discounts?: DiscountInput[];
  addInvoiceItems?: { price: Price; quantity: number }[];
  collectionMethod?: "charge_automatically" | "send_invoice";
  daysUntilDue?: number | null;
  cancelAtPeriodEnd?: boolean;
  cancelAt?: number | null;
  defaultTaxRates?: TaxRate[];
  missingPaymentMethod?: "create_invoice" | "cancel" | "pause";
  saveDefaultPaymentMethod?: "off" | "on_subscription";
  /** The schedule it is made by. */
  schedule?: string;
}

export function newSubscription(world: World, input: NewSubscription) {
  const at = now(world);
  const id = newId(world, "sub");
  const anchor = input.trialEnd ?? input.anchor ?? at;
  const [first] = input.items;
  const items = input.items.map((item) => newItem(world, id, item, anchor, input.trialEnd));
  const periodEnds = Math.min(...items.map((item) => item.current_period_end));
  const canceling = (input.cancelAtPeriodEnd ?? false) || (input.cancelAt ?? null) !== null;
  return {
    id,
    object: "subscription" as const,
    application: null,
    application_fee_percent: null,
    automatic_tax: { disabled_reason: null, enabled: false, liability: null },
    billing_cycle_anchor: anchor,
    billing_cycle_anchor_config: null,
    billing_mode: { flexible: { proration_discounts: "included" }, type: "flexible", updated_at: at },
    billing_schedules: [],
    billing_thresholds: null,
    cancel_at: input.cancelAtPeriodEnd ? periodEnds : (input.cancelAt ?? null),
    cancel_at_period_end: input.cancelAtPeriodEnd ?? false,
    canceled_at: canceling ? at : null,
    cancellation_details: {
      comment: null as string | null,
      feedback: null as string | null,
      feedback_option: null,
      reason: (canceling ? "cancellation_requested" : null) as string | null,
    },
    collection_method: input.collectionMethod ?? "charge_automatically",
    created: at,
    currency: first?.price.currency ?? "usd",
    customer: input.customer,
    customer_account: null,
    days_until_due: input.daysUntilDue ?? null,
    default_payment_method: input.defaultPaymentMethod,
    default_source: null,
    default_tax_rates: input.defaultTaxRates ?? [],
    description: input.description ?? null,
    discounts: [] as string[],
    ended_at: null as number | null,
    invoice_settings: {
      account_tax_ids: null,
      custom_fields: null,
      description: null,
      footer: null,
      issuer: { type: "self" as const },
    },
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
      discount_source: null;
      expires_at: number;
      subscription_items: object[] | null;
      trial_end: number | null;
      trial_from_plan: null;
    } | null,
    schedule: input.schedule ?? null,
    start_date: at,
    status: (input.trialEnd === null ? "incomplete" : "trialing") as SubscriptionStatus,
    test_clock: find(world, "customer", input.customer)?.test_clock ?? null,
    transfer_data: null,
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

export function newItem(
  world: World,
  subscription: string,
  { price, quantity, metadata, taxRates }: Omit<ItemInput, "discounts">,
  anchor: number,
  trialEnd: number | null,
) {
  const at = now(world);
  const metered = price.recurring?.usage_type === "metered";
  return {
    id: newShortId(world, "si"),
    object: "subscription_item" as const,
    billing_thresholds: null,
    created: at,
    current_period_end: trialEnd ?? (anchor > at ? anchor : endOf(price, anchor, at)),
    current_period_start: anchor < at ? startOf(price, anchor, at) : at,
    current_trial: null,
    discounts: [] as string[],
    metadata: metadata ?? {},
    price: copy(price),
    ...(!metered && { quantity: quantity ?? 1 }),
    subscription,
    tax_rates: taxRates ?? ([] as TaxRate[]),
  };
}
