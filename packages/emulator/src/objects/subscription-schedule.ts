/** Defines subscription schedules and their phases. @see https://docs.stripe.com/api/subscription_schedules/object */
import { now, testClockOf } from "../core/clock.ts";
import { newId } from "../core/ids.ts";
import type { ObjectSource } from "../core/object-source.ts";
import { type SubscriptionTax, subscriptionTax } from "./automatic-tax.ts";
import type { TaxRate } from "./tax-rate.ts";

export type Schedule = ReturnType<typeof newSchedule>;

export type EndBehavior = "cancel" | "none" | "release" | "renew";

export type ProrationBehavior = "always_invoice" | "create_prorations" | "none";

export interface PhaseItem {
  billing_thresholds: null;
  discounts: PhaseDiscount[];
  metadata: Record<string, string>;
  plan: string;
  price: string;
  quantity?: number;
  tax_rates: TaxRate[];
}

export interface PhaseDiscount {
  coupon: string | null;
  discount: string | null;
  promotion_code: string | null;
}

export interface AddedItem {
  discountable: boolean;
  discounts: PhaseDiscount[];
  metadata: Record<string, string>;
  period: { end: { type: "min_item_period_end" }; start: { type: "phase_start" } };
  price: string;
  quantity: number;
  tax_rates: TaxRate[];
}

export interface Phase {
  add_invoice_items: AddedItem[];
  application_fee_percent: null;
  automatic_tax?: SubscriptionTax;
  billing_cycle_anchor: "automatic" | "phase_start" | null;
  billing_thresholds: null;
  collection_method: "charge_automatically" | "send_invoice" | null;
  currency: string;
  default_payment_method: string | null;
  default_tax_rates: TaxRate[];
  description: string | null;
  discounts: PhaseDiscount[];
  end_date: number;
  invoice_settings: null;
  items: PhaseItem[];
  metadata: Record<string, string>;
  on_behalf_of: null;
  proration_behavior: ProrationBehavior;
  start_date: number;
  transfer_data: null;
  trial_end: number | null;
}

export interface NewSchedule {
  customer: string;
  phases: Phase[];
  endBehavior: EndBehavior;
  metadata: Record<string, string>;
}

export function newSchedule(source: ObjectSource, input: NewSchedule) {
  const at = now(source);
  return {
    id: newId(source, "sub_sched"),
    object: "subscription_schedule" as const,
    application: null,
    billing_mode: { flexible: { proration_discounts: "included" as const }, type: "flexible" as const, updated_at: at },
    canceled_at: null as number | null,
    completed_at: null as number | null,
    created: at,
    current_phase: null as { end_date: number; start_date: number } | null,
    customer: input.customer,
    customer_account: null,
    default_settings: {
      application_fee_percent: null,
      automatic_tax: subscriptionTax(false),
      billing_cycle_anchor: "automatic" as "automatic" | "phase_start",
      billing_thresholds: null,
      collection_method: "charge_automatically" as "charge_automatically" | "send_invoice",
      default_payment_method: null as string | null,
      description: null as string | null,
      invoice_settings: {
        account_tax_ids: null,
        custom_fields: null,
        days_until_due: null as number | null,
        description: null,
        footer: null,
        issuer: { type: "self" as const },
      },
      on_behalf_of: null,
      transfer_data: null,
    },
    end_behavior: input.endBehavior,
    livemode: false as const,
    metadata: input.metadata,
    pause_schedules: [],
    phases: input.phases,
    released_at: null as number | null,
    released_subscription: null as string | null,
    status: "not_started" as "active" | "canceled" | "completed" | "not_started" | "released",
    subscription: null as string | null,
    test_clock: testClockOf(source, input.customer),
  };
}
