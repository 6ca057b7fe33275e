/** What the routes work with: the use cases, bound to their surroundings. */
import type { CancelRequest, ChangeRequest } from "../actions/change-subscription.ts";
import type { CheckoutAnswer, CheckoutRequest } from "../actions/create-checkout-session.ts";
import type { PortalRequest } from "../actions/create-portal-session.ts";
import type { VerifiedCheckout } from "../actions/verify-checkout-session.ts";
import type { Authenticate } from "../auth/authenticate.ts";
import type { Entitlement } from "../domain/access.ts";
import type { User } from "../domain/user.ts";
import type { SubscriptionView } from "../domain/views.ts";
import type { Runtime } from "../runtime.ts";
import type { ReceiveEvent } from "../ingest/receive-event.ts";
import type { ConfigAnswer } from "../wire.ts";

export interface HttpContext {
  basePath: string;
  allowedOrigins: readonly string[];
  runtime: Runtime;
  authenticate: Authenticate;
  config: ConfigAnswer;
  receiveEvent: ReceiveEvent;
  actions: {
    createCheckoutSession(user: User, request: CheckoutRequest): Promise<CheckoutAnswer>;
    verifyCheckoutSession(user: User, sessionId: string): Promise<VerifiedCheckout>;
    listSubscriptions(user: User): Promise<SubscriptionView[]>;
    cancelSubscription(user: User, request: CancelRequest): Promise<SubscriptionView>;
    resumeSubscription(user: User, request: ChangeRequest): Promise<SubscriptionView>;
    createPortalSession(user: User, request: PortalRequest): Promise<{ url: string }>;
    getEntitlements(userId: string): Promise<Entitlement[]>;
  };
  /** Resolves once the service has started; throws where it can't. */
  started(): Promise<void>;
  /** Null where nobody may read them. */
  metrics: { token: string; render(): Promise<string> } | null;
  /** Throws when the service can't do its work. */
  checkReady(): Promise<void>;
}
