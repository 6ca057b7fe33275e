/** Customer portal configurations. @see https://docs.stripe.com/api/customer_portal/configurations/object */
import { now } from "../core/clock.ts";
import { newId } from "../core/ids.ts";
import type { ObjectSource } from "../core/object-source.ts";
import { mergeMetadata } from "../core/params.ts";
import type { Interval } from "../core/periods.ts";
import type { ProrationBehavior } from "./subscription-schedule.ts";

export type PortalConfiguration = ReturnType<typeof newPortalConfiguration>;

const REASONS = [
  "too_expensive",
  "missing_features",
  "switched_service",
  "unused",
  "customer_service",
  "too_complex",
  "low_quality",
  "other",
];

/** Parameters of a new portal configuration. */
export interface NewPortalConfiguration {
  business_profile?:
    | {
        headline?: string | null | undefined;
        privacy_policy_url?: string | undefined;
        terms_of_service_url?: string | undefined;
      }
    | undefined;
  default_return_url?: string | null | undefined;
  features?: PortalFeatures | undefined;
  name?: string | null | undefined;
  metadata?: "" | Record<string, string> | undefined;
}

type AllowedUpdate = "price" | "promotion_code" | "quantity";

/** A condition under which a change of plan or quantity waits for the end of the period. */
export interface ScheduleCondition {
  type: "decreasing_item_amount" | "shortening_interval";
}

interface PortalProductInput {
  product: string;
  prices: string[];
  adjustable_quantity?:
    | { enabled: boolean; maximum?: number | null | undefined; minimum?: number | undefined }
    | undefined;
}

/** The features of a portal configuration in request parameters. */
export interface PortalFeatures {
  customer_update?: { enabled?: boolean | undefined; allowed_updates?: string[] | null | undefined } | undefined;
  invoice_history?: { enabled: boolean } | undefined;
  payment_method_update?: { enabled: boolean } | undefined;
  subscription_cancel?:
    | {
        enabled?: boolean | undefined;
        mode?: "at_period_end" | "immediately" | undefined;
        proration_behavior?: ProrationBehavior | undefined;
        cancellation_reason?: { enabled: boolean; options?: string[] | null | undefined } | undefined;
      }
    | undefined;
  subscription_pause?:
    | {
        enabled?: boolean | undefined;
        duration?:
          | {
              type: "indefinite" | "interval_options";
              interval_options?: { interval: Interval; interval_count: number }[] | null | undefined;
            }
          | undefined;
      }
    | undefined;
  subscription_update?:
    | {
        enabled?: boolean | undefined;
        default_allowed_updates?: AllowedUpdate[] | null | undefined;
        products?: PortalProductInput[] | null | undefined;
        proration_behavior?: ProrationBehavior | undefined;
        billing_cycle_anchor?: "now" | "unchanged" | null | undefined;
        schedule_at_period_end?: { conditions?: ScheduleCondition[] | undefined } | undefined;
        trial_update_behavior?: "continue_trial" | "end_trial" | undefined;
      }
    | undefined;
}

export function newPortalConfiguration(source: ObjectSource, params: NewPortalConfiguration, isDefault: boolean) {
  const given = params.features ?? {};
  const at = now(source);
  return {
    id: newId(source, "bpc"),
    object: "billing_portal.configuration" as const,
    active: true,
    application: null,
    business_profile: {
      headline: params.business_profile?.headline ?? null,
      privacy_policy_url: params.business_profile?.privacy_policy_url ?? null,
      terms_of_service_url: params.business_profile?.terms_of_service_url ?? null,
    },
    created: at,
    default_return_url: params.default_return_url ?? null,
    features: toFeatures(given, isDefault),
    is_default: isDefault,
    livemode: false as const,
    login_page: { enabled: false, url: null },
    metadata: mergeMetadata({}, params.metadata),
    name: params.name ?? null,
    updated: at,
  };
}

/** Returns all features of a portal configuration. Features that the parameters omit get their defaults. */
export function toFeatures(given: PortalFeatures, isDefault: boolean) {
  return {
    customer_update: {
      allowed_updates: given.customer_update?.allowed_updates ?? [],
      enabled: given.customer_update?.enabled ?? false,
    },
    invoice_history: { enabled: given.invoice_history?.enabled ?? isDefault },
    payment_method_update: {
      enabled: given.payment_method_update?.enabled ?? isDefault,
      payment_method_configuration: null,
    },
    subscription_cancel: cancelFeature(given.subscription_cancel, isDefault),
    subscription_pause: {
      duration: pauseDuration(given.subscription_pause),
      enabled: given.subscription_pause?.enabled ?? false,
    },
    subscription_update: updateFeature(given.subscription_update, isDefault),
  };
}

function cancelFeature(given: PortalFeatures["subscription_cancel"], isDefault: boolean) {
  return {
    cancellation_reason: {
      enabled: given?.cancellation_reason?.enabled ?? isDefault,
      feedback_options: null,
      options: given?.cancellation_reason?.options ?? REASONS,
    },
    enabled: given?.enabled ?? isDefault,
    mode: given?.mode ?? ("at_period_end" as const),
    proration_behavior: given?.proration_behavior ?? ("none" as const),
  };
}

function updateFeature(given: PortalFeatures["subscription_update"], isDefault: boolean) {
  const byDefault: AllowedUpdate[] = isDefault ? ["price", "quantity"] : [];
  const updates = given?.default_allowed_updates === undefined ? byDefault : (given.default_allowed_updates ?? []);
  return {
    billing_cycle_anchor: given?.billing_cycle_anchor ?? null,
    default_allowed_updates: updates,
    enabled: given?.enabled ?? isDefault,
    products: given?.products?.map((product) => portalProduct(product, updates.includes("quantity"))) ?? null,
    proration_behavior: given?.proration_behavior ?? (isDefault ? ("create_prorations" as const) : ("none" as const)),
    schedule_at_period_end: { conditions: given?.schedule_at_period_end?.conditions ?? [] },
    trial_update_behavior: given?.trial_update_behavior ?? ("end_trial" as const),
  };
}

/** Returns a product of the portal. By default, its quantity is adjustable if the configuration allows new quantities. */
function portalProduct({ product, prices, adjustable_quantity: given }: PortalProductInput, adjustable: boolean) {
  return {
    product,
    prices,
    adjustable_quantity: {
      enabled: given?.enabled ?? adjustable,
      maximum: given?.maximum ?? null,
      minimum: given?.minimum ?? 1,
    },
  };
}

/** Merges given fields into an object, recursively. Replaces lists and other values. */
function mergeGiven(current: object, given: object): object {
  const fields = current as Record<string, unknown>;
  const merged = Object.entries(given).map(([name, value]: [string, unknown]) => {
    const old = fields[name];
    return [name, isFields(value) && isFields(old) ? mergeGiven(old, value) : value];
  });
  return { ...current, ...Object.fromEntries(merged) };
}

function isFields(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Merges features of request parameters into the features of a configuration. Omitted settings stay unchanged. */
export function mergeFeatures(
  current: PortalConfiguration["features"],
  given: PortalFeatures,
  isDefault: boolean,
): PortalConfiguration["features"] {
  const names = Object.keys(given) as (keyof PortalFeatures)[];
  const made = toFeatures(mergeGiven(current, given), isDefault);
  return { ...current, ...Object.fromEntries(names.map((name) => [name, made[name]])) };
}

/**
 * Returns the pause durations that the portal offers. If pauses are enabled without a duration, the portal offers one
 * month.
 */
function pauseDuration(given: PortalFeatures["subscription_pause"]): PauseDuration {
  if (given?.duration) return { type: given.duration.type, interval_options: given.duration.interval_options ?? [] };
  if (!given?.enabled) return { type: "indefinite", interval_options: [] };
  return { type: "interval_options", interval_options: [{ interval: "month", interval_count: 1 }] };
}

interface PauseDuration {
  type: "indefinite" | "interval_options";
  interval_options: { interval: Interval; interval_count: number }[];
}
