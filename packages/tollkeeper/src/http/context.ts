/** Declares the parts that routes work with: the actions, already bound to the store, Stripe and the configuration. */
import type { Authenticate } from "../auth/authenticate.ts";
import type { User } from "../domain/user.ts";
import type { ReceiveEvent } from "../ingest/receive-event.ts";
import type { Runtime } from "../runtime.ts";
import type {
  CancelRequest,
  CheckoutSessionRequest,
  CheckoutSessionResponse,
  ConfigResponse,
  Entitlement,
  OfferResponse,
  PortalRequest,
  PortalResponse,
  ResumeRequest,
  Subscription,
  VerifiedCheckout,
  WorkResponse,
} from "../wire.ts";

export interface HttpContext {
  basePath: string;
  allowedOrigins: readonly string[];
  /** If true, pages of allowed origins may send cookies. */
  corsCredentials: boolean;
  runtime: Runtime;
  authenticate: Authenticate;
  config: ConfigResponse;
  receiveEvent: ReceiveEvent;
  actions: {
    createCheckoutSession(user: User, request: CheckoutSessionRequest): Promise<CheckoutSessionResponse>;
    verifyCheckoutSession(user: User, sessionId: string): Promise<VerifiedCheckout>;
    listSubscriptions(user: User): Promise<Subscription[]>;
    cancelSubscription(user: User, request: CancelRequest): Promise<Subscription>;
    resumeSubscription(user: User, request: ResumeRequest): Promise<Subscription>;
    createPortalSession(user: User, request: PortalRequest): Promise<PortalResponse>;
    getOffer(user: User): Promise<OfferResponse>;
    listEntitlements(user: User): Promise<Entitlement[]>;
  };
  /** Starts the tollkeeper service if it has not started yet. Throws if the start of the service fails. */
  started(): Promise<void>;
  /**
   * Prepares the database if it is not prepared yet, and starts the service in the background. A webhook is stored even if
   * Stripe's API can't be reached. Throws if the database can't be used.
   */
  storeStarted(): Promise<void>;
  /** The token and the content of `/metrics`; null if `METRICS_TOKEN` is not set, so that the service has no metrics. */
  metrics: { token: string; render(): Promise<string> } | null;
  work: {
    /** The token of `/work`; null if `WORK_TOKEN` is not set, so that the route is disabled. */
    token: string | null;
    /** Processes due events and hooks, within fixed limits of time and rows. */
    processDue(): Promise<WorkResponse>;
    /** Processes due events and hooks, and does periodic work such as a due reconcile. The limits also apply to both. */
    run(): Promise<WorkResponse>;
  };
  /** Resolves if the service is ready to handle requests. Throws if the store is unavailable. */
  checkReady(): Promise<void>;
}
