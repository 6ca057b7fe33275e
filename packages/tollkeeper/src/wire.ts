/** The JSON between server and browser: one schema for the types, the checks and the OpenAPI document. Instants are epoch milliseconds. */
import { z } from "zod";

const MAX_ID = 255;
const MAX_URL = 2000;
const MAX_COMMENT = 500;

export const PlanInterval = z.enum(["month", "year"]);
const instant = z.int().describe("Epoch milliseconds");
/** Half of a character, such as an emoji cut in two, can be sent to nobody. */
const text = (max: number) =>
  z
    .string()
    .max(max)
    .refine((value) => value.isWellFormed(), "is cut in the middle of a character");
const id = text(MAX_ID).min(1);
const url = text(MAX_URL).min(1);

export const CheckoutSessionRequest = z.strictObject({
  plan: id.describe("The plan's id"),
  interval: PlanInterval,
  successUrl: url.optional().describe("Where to return after payment; on an allowed origin"),
  cancelUrl: url.optional().describe("Where to return when the user goes back; on an allowed origin"),
});

export const CheckoutSessionAnswer = z.object({ sessionId: z.string(), url: z.string(), expiresAt: instant });

export const CancelRequest = z.strictObject({
  subscriptionId: id.optional().describe("Default: the user's only live subscription"),
  reason: z
    .enum([
      "customer_service",
      "low_quality",
      "missing_features",
      "other",
      "switched_service",
      "too_complex",
      "too_expensive",
      "unused",
    ])
    .optional(),
  comment: text(MAX_COMMENT).optional(),
});

export const ResumeRequest = z.strictObject({ subscriptionId: id.optional() });
export const PortalRequest = z.strictObject({ returnUrl: url.optional() });
export const PortalAnswer = z.object({ url: z.string() });

export const Subscription = z.object({
  id: z.string(),
  plan: z.string().nullable(),
  planName: z.string().nullable(),
  status: z.enum([
    "incomplete",
    "incomplete_expired",
    "trialing",
    "active",
    "past_due",
    "canceled",
    "unpaid",
    "paused",
  ]),
  live: z.boolean().describe("Whether Stripe may charge for it again"),
  price: z
    .object({
      amount: z.int().nullable(),
      currency: z.string(),
      interval: z.enum(["day", "week", "month", "year"]).nullable(),
      quantity: z.int(),
    })
    .nullable(),
  currentPeriodStart: instant.nullable(),
  currentPeriodEnd: instant.nullable(),
  trialEnd: instant.nullable(),
  cancelAtPeriodEnd: z.boolean(),
  cancelAt: instant.nullable(),
  endedAt: instant.nullable(),
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
      status: z.enum(["draft", "open", "paid", "void", "uncollectible"]),
      amount: z.int(),
      currency: z.string(),
      outcome: z.enum(["none", "succeeded", "failed", "action_required"]),
      message: z.string().nullable(),
      actionUrl: z.string().nullable(),
    })
    .nullable(),
});
export type Subscription = z.infer<typeof Subscription>;

export const SubscriptionsAnswer = z.object({ subscriptions: z.array(Subscription) });
export const SubscriptionAnswer = z.object({ subscription: Subscription });

export const Entitlement = z.object({
  feature: z.string(),
  plan: z.string(),
  until: instant.nullable().describe("When access ends or is renewed"),
  reason: z.enum(["active", "trialing", "past_due_grace", "canceled_paid_period"]),
});
export type Entitlement = z.infer<typeof Entitlement>;

export const EntitlementsAnswer = z.object({ entitlements: z.array(Entitlement) });

export const VerifiedCheckout = z.object({
  sessionId: z.string(),
  status: z.enum(["open", "complete", "expired"]),
  paymentStatus: z.enum(["paid", "unpaid", "no_payment_required"]),
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
  prices: z.array(z.object({ interval: PlanInterval, amount: z.int(), currency: z.string(), trialDays: z.int() })),
});
export type Plan = z.infer<typeof Plan>;

export const ConfigAnswer = z.object({
  mode: z.enum(["test", "live"]),
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
export type ConfigAnswer = z.infer<typeof ConfigAnswer>;

export const ErrorAnswer = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    requestId: z.string(),
    details: z.record(z.string(), z.string()).optional(),
  }),
});
export type ErrorAnswer = z.infer<typeof ErrorAnswer>;

export const WebhookAnswer = z.object({
  status: z.enum(["accepted", "duplicate", "ignored", "rejected", "unavailable"]),
  eventId: z.string().optional(),
  reason: z.string().optional(),
});

export const HealthAnswer = z.object({ status: z.enum(["ok", "unavailable"]) });

export type CheckoutSessionRequest = z.infer<typeof CheckoutSessionRequest>;
export type CheckoutSessionAnswer = z.infer<typeof CheckoutSessionAnswer>;
export type CancelRequest = z.infer<typeof CancelRequest>;
export type ResumeRequest = z.infer<typeof ResumeRequest>;
export type PortalRequest = z.infer<typeof PortalRequest>;
export type PortalAnswer = z.infer<typeof PortalAnswer>;
export type SubscriptionsAnswer = z.infer<typeof SubscriptionsAnswer>;
export type SubscriptionAnswer = z.infer<typeof SubscriptionAnswer>;
export type EntitlementsAnswer = z.infer<typeof EntitlementsAnswer>;
