/**
 * Defines the JSON that server and browser exchange. TypeScript types, checks and the OpenAPI document are derived from one set
 * of schemas. Instants are epoch milliseconds.
 */
import { z } from "zod";
import { ACCESS_REASONS, NO_ACCESS_REASONS } from "./domain/access.ts";
import { CANCELLATION_REASONS } from "./domain/cancellation.ts";
import { CHECKOUT_OUTCOMES } from "./domain/checkout-outcome.ts";
import { SUBSCRIPTION_ACTIONS } from "./domain/due-payment.ts";
import { OFFER_ACTIONS, OFFER_REASONS } from "./domain/offer.ts";
import { PAYMENT_OUTCOMES } from "./domain/payment.ts";
import { PLAN_INTERVALS } from "./domain/plans.ts";
import {
  BILLING_INTERVALS,
  CHECKOUT_PAYMENT_STATUSES,
  CHECKOUT_STATUSES,
  INVOICE_STATUSES,
  MODES,
  PAUSE_BEHAVIORS,
  SUBSCRIPTION_STATUSES,
} from "./domain/records.ts";
import { DISPUTE_STATES, REFUND_EXTENTS } from "./domain/reversals.ts";

const MAX_ID = 255;
const MAX_URL = 2000;
const MAX_COMMENT = 500;

export const PlanInterval = z.enum(PLAN_INTERVALS);
/** Decimal digits of an amount, by Stripe's own table: 900 with 2 digits is 9.00. */
const fractionDigits = z.int().describe("Decimal digits of the amount: 900 with 2 digits is 9.00");
const instant = z.int().describe("Epoch milliseconds");
/**
 * Creates the schema of a text. The schema of a text rejects an unpaired surrogate, such as half an emoji. An unpaired
 * surrogate is invalid Unicode and cannot be encoded as UTF-8.
 */
const text = (max: number) =>
  z
    .string()
    .max(max)
    .refine((value) => value.isWellFormed(), "contains an unpaired surrogate (invalid Unicode)");
const id = text(MAX_ID).min(1);
const url = text(MAX_URL).min(1);

export const CheckoutSessionRequest = z.strictObject({
  plan: id.describe("The id of the plan"),
  interval: PlanInterval,
  successUrl: url.optional().describe("The page to return to after payment; on an allowed origin"),
  cancelUrl: url.optional().describe("The page to return to if the user leaves the checkout; on an allowed origin"),
});

export const CheckoutSessionResponse = z.object({ sessionId: z.string(), url: z.string(), expiresAt: instant });

export const CancelRequest = z.strictObject({
  subscriptionId: id.optional().describe("Default: the user's only live subscription"),
  reason: z.enum(CANCELLATION_REASONS).optional(),
  comment: text(MAX_COMMENT).optional(),
});

export const ResumeRequest = z.strictObject({ subscriptionId: id.optional() });
export const PortalRequest = z.strictObject({ returnUrl: url.optional() });
export const PortalResponse = z.object({ url: z.string() });

export const Subscription = z.object({
  id: z.string(),
  plan: z.string().nullable(),
  planName: z.string().nullable(),
  status: z.enum(SUBSCRIPTION_STATUSES),
  live: z.boolean().describe("True if Stripe may charge for it again"),
  access: z
    .object({
      reason: z.enum(ACCESS_REASONS),
      endsAt: instant.nullable().describe("The instant at which access ends; null if it ends only after a change"),
    })
    .nullable()
    .describe("Null if the subscription gives no access now"),
  noAccess: z
    .enum(NO_ACCESS_REASONS)
    .nullable()
    .describe("Why the subscription gives no access now; null if it gives access"),
  due: z
    .object({
      invoiceId: z.string(),
      amount: z.int(),
      currency: z.string(),
      fractionDigits,
      outcome: z.enum(["none", ...PAYMENT_OUTCOMES]),
      reason: z.string().nullable().describe("Why the card was declined, for the user"),
      nextAttemptAt: instant.nullable().describe("Stripe's next attempt to charge the card; null if there is none"),
      dueAt: instant
        .nullable()
        .describe("The user has to pay until this instant; null if Stripe charges the card itself"),
      payUrl: z.string().nullable().describe("The page on which the user can pay"),
    })
    .nullable()
    .describe("The open invoice; null if nothing is unpaid"),
  actions: z.array(z.enum(SUBSCRIPTION_ACTIONS)).describe("What the user can do, the most helpful action first"),
  price: z
    .object({
      amount: z.int().nullable().describe("Amount of one unit; null if it depends on use or on a table"),
      total: z.int().nullable().describe("Amount per interval for all units and items, before discounts and taxes"),
      currency: z.string(),
      fractionDigits,
      interval: z.enum(BILLING_INTERVALS).nullable(),
      intervalCount: z.int().describe("3 with the interval month means every 3 months"),
      quantity: z.int(),
    })
    .nullable(),
  currentPeriodStart: instant.nullable(),
  currentPeriodEnd: instant.nullable(),
  trialEnd: instant.nullable(),
  cancelAtPeriodEnd: z.boolean(),
  cancelAt: instant.nullable(),
  endedAt: instant.nullable(),
  pausedCollection: z
    .object({ behavior: z.enum(PAUSE_BEHAVIORS), resumesAt: instant.nullable() })
    .nullable()
    .describe("Set while the merchant has paused the collection of payments"),
  refund: z.enum(REFUND_EXTENTS).describe("The part of the current period's payments that was refunded"),
  dispute: z.enum(DISPUTE_STATES).describe("The worst state of the disputes about the subscription's payments"),
  paymentMethod: z
    .object({
      type: z.string(),
      brand: z.string().nullable(),
      last4: z.string().nullable(),
      expMonth: z.int().nullable(),
      expYear: z.int().nullable(),
    })
    .nullable(),
  latestInvoice: z
    .object({
      id: z.string(),
      status: z.enum(INVOICE_STATUSES),
      amount: z.int(),
      currency: z.string(),
      fractionDigits,
      outcome: z.enum(["none", ...PAYMENT_OUTCOMES]),
      message: z
        .string()
        .nullable()
        .describe("A sentence for the user about a payment that failed or must be confirmed; otherwise null"),
      actionUrl: z
        .string()
        .nullable()
        .describe("The page on which the user can pay or confirm; null if the user has nothing to do"),
    })
    .nullable()
    .describe(
      "The newest invoice, paid or not, with the outcome of its payment, for apps without the modal. " +
        "An amount that is unpaid is in `due`, also if it belongs to an earlier invoice",
    ),
});
export type Subscription = z.infer<typeof Subscription>;

export const SubscriptionsResponse = z.object({ subscriptions: z.array(Subscription) });
export const SubscriptionResponse = z.object({ subscription: Subscription });

export const Entitlement = z.object({
  feature: z.string(),
  plan: z.string(),
  until: instant.nullable().describe("The instant at which access ends or is renewed"),
  reason: z.enum(ACCESS_REASONS),
});
export type Entitlement = z.infer<typeof Entitlement>;

export const EntitlementsResponse = z.object({ entitlements: z.array(Entitlement) });

export const VerifiedCheckout = z.object({
  sessionId: z.string(),
  status: z.enum(CHECKOUT_STATUSES),
  paymentStatus: z.enum(CHECKOUT_PAYMENT_STATUSES),
  outcome: z.enum(CHECKOUT_OUTCOMES).describe("What the checkout has led to"),
  subscription: Subscription.nullable(),
  entitlements: z.array(Entitlement),
});
export type VerifiedCheckout = z.infer<typeof VerifiedCheckout>;

export const Plan = z.object({
  id: z.string(),
  name: z.string(),
  description: z.string().nullable(),
  features: z.array(z.string()),
  featureNames: z.record(z.string(), z.string()),
  prices: z.array(
    z.object({
      interval: PlanInterval,
      amount: z.int(),
      currency: z.string(),
      fractionDigits,
      trialDays: z.int(),
    }),
  ),
});
export type Plan = z.infer<typeof Plan>;

const PriceOffer = z.object({
  interval: PlanInterval,
  amount: z.int(),
  currency: z.string(),
  fractionDigits,
  trialDays: z.int().describe("Days of trial that a checkout would give this user now"),
  action: z
    .enum(OFFER_ACTIONS)
    .describe("The action that is possible for the user: buy in a checkout, none, or change in the portal"),
  reason: z
    .enum(OFFER_REASONS)
    .nullable()
    .describe("Why the user can't buy this price in a checkout; null if the user can"),
  subscriptionId: z.string().nullable().describe("The user's live subscription of the plan's group"),
});
/** A plan, with what applies to one user. */
export const OfferedPlan = Plan.extend({
  current: z.boolean().describe("True if the user has a live subscription to the plan"),
  prices: z.array(PriceOffer),
});
export type OfferedPlan = z.infer<typeof OfferedPlan>;

export const OfferResponse = z.object({ plans: z.array(OfferedPlan) });
export type OfferResponse = z.infer<typeof OfferResponse>;

export const ConfigResponse = z.object({
  mode: z.enum(MODES),
  publishableKey: z.string(),
  apiVersion: z.string(),
  features: z.object({
    checkout: z.boolean(),
    portal: z.boolean(),
    trials: z.boolean(),
    promotionCodes: z.boolean(),
  }),
  plans: z.array(Plan),
});
export type ConfigResponse = z.infer<typeof ConfigResponse>;

export const ErrorResponse = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    requestId: z.string(),
    details: z.record(z.string(), z.string()).optional(),
    possible: z
      .array(
        z.object({
          route: z.enum([
            "cancel-subscription",
            "create-checkout-session",
            "create-portal-session",
            "resume-subscription",
          ]),
          subscriptionId: z.string().optional(),
          planName: z.string().optional(),
        }),
      )
      .optional()
      .describe("The requests that are possible instead; an empty list means that only the app's support can help"),
  }),
});
export type ErrorResponse = z.infer<typeof ErrorResponse>;

export const WorkResponse = z.object({
  processed: z.int().describe("Number of events and hooks that this request processed"),
  more: z.boolean().describe("True if a limit ended the work, so that more events and hooks may be due"),
});

export const WebhookResponse = z.object({
  status: z.enum(["accepted", "duplicate", "ignored", "rejected", "unavailable"]),
  eventId: z.string().optional(),
  reason: z.string().optional(),
});

export const HealthResponse = z.object({ status: z.enum(["ok", "unavailable"]) });

export type WebhookResponse = z.infer<typeof WebhookResponse>;
export type HealthResponse = z.infer<typeof HealthResponse>;
export type WorkResponse = z.infer<typeof WorkResponse>;
export type CheckoutSessionRequest = z.infer<typeof CheckoutSessionRequest>;
export type CheckoutSessionResponse = z.infer<typeof CheckoutSessionResponse>;
export type CancelRequest = z.infer<typeof CancelRequest>;
export type ResumeRequest = z.infer<typeof ResumeRequest>;
export type PortalRequest = z.infer<typeof PortalRequest>;
export type PortalResponse = z.infer<typeof PortalResponse>;
export type SubscriptionsResponse = z.infer<typeof SubscriptionsResponse>;
export type SubscriptionResponse = z.infer<typeof SubscriptionResponse>;
export type EntitlementsResponse = z.infer<typeof EntitlementsResponse>;
