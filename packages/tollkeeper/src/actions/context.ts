/** Declares the objects that every action uses, such as the store, the gateway to Stripe and the plans. */
import type { AccessPolicy } from "../domain/access.ts";
import type { Plans } from "../domain/plans.ts";
import type { Runtime } from "../runtime.ts";
import type { Store } from "../store/store.ts";
import type { StripeGateway } from "../stripe/gateway/gateway.ts";
import type { Serialize } from "./serialize.ts";

export interface ActionContext {
  store: Store;
  gateway: StripeGateway;
  runtime: Runtime;
  plans: Plans;
  policy: AccessPolicy;
  urls: UrlPolicy;
  allowPromotionCodes: boolean;
  serialize: Serialize;
  /** Retrieves objects from Stripe and writes them to the mirror, as the worker does for events. */
  sync: {
    object(request: {
      object: "customer" | "subscription" | "checkout_session";
      id: string;
      customerId?: string | null;
    }): Promise<void>;
    customerWithSubscriptions(customerId: string): Promise<void>;
  };
}

export interface UrlPolicy {
  /** Origins of the pages to which Stripe may send users back. */
  allowedOrigins: readonly string[];
  requireHttps: boolean;
  successUrl: string;
  cancelUrl: string;
  portalReturnUrl: string;
}
