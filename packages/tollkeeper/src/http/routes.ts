/**
 * Defines the route table, with one row for every route of the service. The router, the OpenAPI document and the tests read the
 * route table.
 */
import { z } from "zod";
import {
  CancelRequest,
  CheckoutSessionRequest,
  CheckoutSessionResponse,
  ConfigResponse,
  EntitlementsResponse,
  HealthResponse,
  OfferResponse,
  PortalRequest,
  PortalResponse,
  ResumeRequest,
  SubscriptionResponse,
  SubscriptionsResponse,
  VerifiedCheckout,
  WebhookResponse,
  WorkResponse,
} from "../wire.ts";
import { requireStart } from "./access.ts";
import type { HttpContext } from "./context.ts";
import { defineRoute, type Route } from "./define-route.ts";
import { MAX_WEBHOOK_BYTES, WEBHOOK_PATH } from "./webhook-endpoint.ts";

/** Largest body of a JSON request, in bytes. The requests that the browser client sends are small. */
const MAX_JSON_BYTES = 16_384;
const PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8";

const TOO_MANY_REQUESTS = "too_many_requests: the user has sent too many requests; retry after Retry-After";

const HEALTHY: HealthResponse = { status: "ok" };

const SessionQuery = z.object({
  session_id: z.string().regex(/^cs_\w{1,250}$/, "must be a checkout session's id (cs_…)"),
});

/** The module http/webhook-endpoint.ts serves the route of the webhook, before the router. */
const webhook: Route = {
  method: "post",
  path: WEBHOOK_PATH,
  access: "stripe_signature",
  bodyLimit: MAX_WEBHOOK_BYTES,
  causesWork: true,
  schema: { response: WebhookResponse, error: WebhookResponse },
  description: "Receives Stripe's signed events; the body is raw bytes",
  responses: {
    200: "The event is stored, was already stored, or is not needed",
    400: "The signature is wrong, or the body is no event of this mode",
    413: "The body is larger than any event",
    503: "The event is not stored; Stripe will deliver it again",
  },
  run: null,
};

/** Schedules of some platforms send GET requests, and those of others send POST requests. */
const work = {
  path: "/work",
  access: "work_token",
  causesWork: false,
  schema: { response: WorkResponse },
  description: "Processes due work on serverless platforms; a schedule requests this route each minute",
  responses: {
    200: "The due work is done, or a limit of this request ended it",
    401: "The token is not WORK_TOKEN",
    404: "WORK_TOKEN is not set",
    503: "Stripe or the store is unavailable; retry later",
  },
  action: ({ work: { run } }: HttpContext) => run(),
} as const;

export const ROUTES: readonly Route[] = [
  webhook,

  defineRoute({
    method: "get",
    path: "/config",
    access: "public",
    bodyLimit: null,
    causesWork: false,
    schema: { response: ConfigResponse },
    responses: { 200: "Mode, publishable key, plans and feature flags; never a secret" },
    action: ({ config }) => config,
  }),

  defineRoute({
    method: "get",
    path: "/health",
    access: "public",
    bodyLimit: null,
    causesWork: false,
    schema: { response: HealthResponse },
    responses: { 200: "The process runs" },
    action: () => HEALTHY,
  }),

  defineRoute({
    method: "get",
    path: "/ready",
    access: "public",
    bodyLimit: null,
    causesWork: false,
    schema: { response: HealthResponse },
    responses: { 200: "The service has started and the store is available" },
    action: async (context) => {
      await requireStart(context);
      await context.checkReady();
      return HEALTHY;
    },
  }),

  defineRoute({
    method: "get",
    path: "/metrics",
    access: "metrics_token",
    bodyLimit: null,
    causesWork: false,
    schema: { response: z.string() },
    responses: {
      200: "Metrics for Prometheus",
      401: "The token is not METRICS_TOKEN",
      404: "METRICS_TOKEN is not set",
      503: "The store is unavailable; retry later",
    },
    contentType: PROMETHEUS_TEXT,
    action: async ({ metrics }) => (await metrics?.render()) ?? "",
  }),

  defineRoute({ method: "get", bodyLimit: null, ...work }),
  defineRoute({ method: "post", bodyLimit: MAX_JSON_BYTES, ...work }),

  defineRoute({
    method: "get",
    path: "/offer",
    access: "user",
    bodyLimit: null,
    causesWork: false,
    schema: { response: OfferResponse },
    responses: {
      200: "The plans, with the trial and the action that apply to the user; visitors use /config",
      429: TOO_MANY_REQUESTS,
    },
    action: ({ actions }, { caller }) => actions.getOffer(caller),
  }),

  defineRoute({
    method: "post",
    path: "/create-checkout-session",
    access: "user",
    bodyLimit: MAX_JSON_BYTES,
    causesWork: true,
    schema: { body: CheckoutSessionRequest, response: CheckoutSessionResponse },
    responses: {
      200: "Opens Stripe's checkout for a plan; the same request returns the same open session",
      409: "already_subscribed: use the portal instead",
      429: TOO_MANY_REQUESTS,
    },
    action: ({ actions }, { caller, body }) => actions.createCheckoutSession(caller, body),
  }),

  defineRoute({
    method: "get",
    path: "/checkout-session",
    access: "user",
    bodyLimit: null,
    causesWork: true,
    schema: { query: SessionQuery, response: VerifiedCheckout },
    responses: {
      200: "Verifies a checkout session of the user and syncs its subscription",
      404: "The session does not exist or belongs to another user",
      429: TOO_MANY_REQUESTS,
    },
    action: ({ actions }, { caller, query }) => actions.verifyCheckoutSession(caller, query.session_id),
  }),

  defineRoute({
    method: "get",
    path: "/subscriptions",
    access: "user",
    bodyLimit: null,
    causesWork: false,
    schema: { response: SubscriptionsResponse },
    responses: { 200: "The user's subscriptions, newest first" },
    action: async ({ actions }, { caller }) => ({ subscriptions: await actions.listSubscriptions(caller) }),
  }),

  defineRoute({
    method: "get",
    path: "/entitlements",
    access: "user",
    bodyLimit: null,
    causesWork: false,
    schema: { response: EntitlementsResponse },
    responses: { 200: "The features that the user may use now, until when, and why" },
    action: async ({ actions }, { caller }) => ({ entitlements: await actions.listEntitlements(caller) }),
  }),

  defineRoute({
    method: "post",
    path: "/cancel-subscription",
    access: "user",
    bodyLimit: MAX_JSON_BYTES,
    causesWork: true,
    schema: { body: CancelRequest, response: SubscriptionResponse },
    responses: {
      200: "Cancels the subscription at the end of its period",
      404: "The user has no such subscription",
      409: "not_cancelable: the subscription has ended; ambiguous_subscription: the user has several, `possible` lists them",
      429: TOO_MANY_REQUESTS,
    },
    action: async ({ actions }, { caller, body }) => ({
      subscription: await actions.cancelSubscription(caller, body),
    }),
  }),

  defineRoute({
    method: "post",
    path: "/resume-subscription",
    access: "user",
    bodyLimit: MAX_JSON_BYTES,
    causesWork: true,
    schema: { body: ResumeRequest, response: SubscriptionResponse },
    responses: {
      200: "Undoes a cancellation before the period ends",
      404: "The user has no such subscription",
      409: "not_resumable: the subscription has ended or is paused, or the seller has set its end; ambiguous_subscription",
      429: TOO_MANY_REQUESTS,
    },
    action: async ({ actions }, { caller, body }) => ({
      subscription: await actions.resumeSubscription(caller, body),
    }),
  }),

  defineRoute({
    method: "post",
    path: "/create-portal-session",
    access: "user",
    bodyLimit: MAX_JSON_BYTES,
    causesWork: true,
    schema: { body: PortalRequest, response: PortalResponse },
    responses: {
      200: "Opens Stripe's customer portal",
      404: "no_customer: the user has never started a checkout",
      429: TOO_MANY_REQUESTS,
    },
    action: ({ actions }, { caller, body }) => actions.createPortalSession(caller, body),
  }),
];
