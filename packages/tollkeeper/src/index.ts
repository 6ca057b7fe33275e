/** Exports the public API of the package for servers. */
export { createTollkeeper, type Tollkeeper } from "./tollkeeper.ts";
export { optionsFromEnvironment } from "./environment.ts";
export type { TollkeeperOptions } from "./options.ts";
export {
  definePlans,
  lookupKey,
  type Plan,
  type PlanInput,
  type PlanInterval,
  type PlanPrice,
  type Plans,
} from "./domain/plans.ts";
export {
  decideEntitlements,
  DEFAULT_ACCESS_POLICY,
  type AccessPolicy,
  type AccessPolicyInput,
  type AccessReason,
  type Entitlement,
} from "./domain/access.ts";
export type {
  AccessGrantedHook,
  AccessHook,
  DisputeHook,
  Hooks,
  PaymentHook,
  RefundHook,
  TrialHook,
} from "./domain/hooks.ts";
export type { Subscription as SubscriptionView } from "./wire.ts";
export type { User } from "./domain/user.ts";
export type { Logger, Runtime } from "./runtime.ts";
export type { Span, SpanAttributes, Tracer } from "./tracing.ts";
export type { Authenticate } from "./auth/authenticate.ts";
export { createOidcAuthenticate, type OidcOptions } from "./auth/oidc.ts";
export type { SignedRequest } from "./http/get-user.ts";
export { toNodeHandler, type NodeHandler } from "./http/node.ts";
export type { BodyAccount } from "./http/body-budget.ts";
export type { BodyResult } from "./http/read-body.ts";
export type { ReceiveWebhook, WebhookDelivery, WebhookReply } from "./http/webhook-endpoint.ts";
export { ALLOWED_WEBHOOK_EVENTS, type AllowedEvent } from "./stripe/webhook/event-types.ts";
export { STRIPE_API_VERSION } from "./stripe/gateway/gateway.ts";
export {
  ConfigError,
  ConflictError,
  ForbiddenError,
  InvalidRequestError,
  NotFoundError,
  PaymentError,
  TollkeeperError,
  UnauthenticatedError,
  UnavailableError,
  type ErrorCode,
} from "./errors.ts";
