/** What every action works with. */
import type { AccessPolicy } from "../domain/access.ts";
import type { Plans } from "../domain/plans.ts";
import type { Runtime } from "../runtime.ts";
import type { Store } from "../store/open-store.ts";
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
  /** The same sync that the webhook's worker uses. */
  sync: {
    object(request: {
      object: "customer" | "subscription" | "checkout_session";
      id: string;
      customerId?: string | null;
    }): Promise<void>;
    wholeCustomer(customerId: string): Promise<void>;
  };
}

export interface UrlPolicy {
  /** Origins users may be sent back to. */
  allowedOrigins: readonly string[];
  requireHttps: boolean;
  successUrl: string;
  cancelUrl: string;
  portalReturnUrl: string;
}
