/** tollkeeper in a page: checkout, portal, subscriptions and entitlements, with errors that people can read. */
import type { Stripe } from "@stripe/stripe-js";
import type {
  CancelRequest,
  CheckoutSessionAnswer,
  CheckoutSessionRequest,
  ConfigAnswer,
  Entitlement,
  EntitlementsAnswer,
  Plan,
  PortalAnswer,
  PortalRequest,
  ResumeRequest,
  Subscription,
  SubscriptionAnswer,
  SubscriptionsAnswer,
  VerifiedCheckout,
} from "../wire.ts";
import { TollkeeperClientError } from "./errors.ts";
import { request } from "./request.ts";
import { cleanAddress, returnedSessionId } from "./return-page.ts";
import { createStripeJs } from "./stripe-js.ts";

export { TollkeeperClientError, type ClientErrorCode } from "./errors.ts";
export type {
  CancelRequest,
  CheckoutSessionRequest,
  ConfigAnswer,
  Entitlement,
  Plan,
  PortalRequest,
  ResumeRequest,
  Subscription,
  VerifiedCheckout,
};

export interface TollkeeperClientOptions {
  /** Where the service is. Default `/stripe`. */
  baseUrl?: string;
  /** The signed-in user's access token; null where nobody is signed in. */
  getToken: () => Promise<string | null> | string | null;
  /** Default: the page's `fetch`. */
  fetch?: typeof fetch;
  /** Goes to Stripe's page. Default `location.assign`. */
  navigate?: (url: string) => void;
}

/** Every method but `isAvailable` may throw `TollkeeperClientError`. */
export interface TollkeeperClient {
  /** Whether payments can be used here: in a browser, with Stripe.js not known to be blocked. */
  isAvailable(): boolean;
  /** Mode, publishable key, plans and feature flags; asked for once. */
  config(): Promise<ConfigAnswer>;
  /** Leaves for Stripe's checkout. */
  checkout(request: CheckoutSessionRequest): Promise<void>;
  /** Leaves for Stripe's customer portal. */
  portal(request?: PortalRequest): Promise<void>;
  cancel(request?: CancelRequest): Promise<Subscription>;
  resume(request?: ResumeRequest): Promise<Subscription>;
  subscriptions(): Promise<Subscription[]>;
  entitlements(): Promise<Entitlement[]>;
  /** Whether the user may use a feature now. Ask the server again before giving anything away. */
  can(feature: string): Promise<boolean>;
  /** On the page users come back to: verifies the session and cleans the address bar; null on any other visit. */
  handleReturn(): Promise<VerifiedCheckout | null>;
  /** Stripe.js, for what needs it in the page; loaded at the first call. */
  stripe(): Promise<Stripe>;
}

/**
 * @example
 * const client = createTollkeeperClient({ getToken: () => auth0.getTokenSilently() });
 * await client.handleReturn();
 * button.onclick = () => client.checkout({ plan: "premium", interval: "month" });
 */
export function createTollkeeperClient(options: TollkeeperClientOptions): TollkeeperClient {
  const baseUrl = (options.baseUrl ?? "/stripe").replace(/\/+$/, "");
  const { getToken } = options;
  const navigate = options.navigate ?? ((url: string) => location.assign(url));
  const call = <Answer>(method: "GET" | "POST", path: string, body?: object) =>
    request<Answer>(
      { baseUrl, getToken, fetch: options.fetch ?? ((input, init) => fetch(input, init)) },
      method,
      path,
      body,
    );
  const stripeJs = createStripeJs();
  let configuration: Promise<ConfigAnswer> | null = null;
  let returning: { id: string; verified: Promise<VerifiedCheckout> } | null = null;

  const client: TollkeeperClient = {
    isAvailable: () => typeof window !== "undefined" && typeof fetch === "function" && !stripeJs.isBlocked(),

    config() {
      configuration ??= call<ConfigAnswer>("GET", "config").catch((error: unknown) => {
        configuration = null;
        throw error;
      });
      return configuration;
    },

    async checkout(wanted) {
      const { url } = await call<CheckoutSessionAnswer>("POST", "create-checkout-session", wanted);
      navigate(url);
    },

    async portal(wanted = {}) {
      const { url } = await call<PortalAnswer>("POST", "create-portal-session", wanted);
      navigate(url);
    },

    cancel: async (wanted = {}) => (await call<SubscriptionAnswer>("POST", "cancel-subscription", wanted)).subscription,
    resume: async (wanted = {}) => (await call<SubscriptionAnswer>("POST", "resume-subscription", wanted)).subscription,
    subscriptions: async () => (await call<SubscriptionsAnswer>("GET", "subscriptions")).subscriptions,
    entitlements: async () => (await call<EntitlementsAnswer>("GET", "entitlements")).entitlements,
    can: async (feature) => (await client.entitlements()).some((entitlement) => entitlement.feature === feature),

    async handleReturn() {
      if (typeof window === "undefined") return null;
      const id = returnedSessionId(location);
      if (id === null) return null;
      // A framework may render the page twice: both get the one answer.
      if (returning?.id !== id)
        returning = {
          id,
          verified: call<VerifiedCheckout>("GET", `checkout-session?session_id=${encodeURIComponent(id)}`),
        };
      try {
        const verified = await returning.verified;
        cleanAddress(location, history);
        return verified;
      } catch (error) {
        returning = null;
        // Without an answer the address stays as it is: a reload tries again.
        if (error instanceof TollkeeperClientError && (error.status === 400 || error.status === 404))
          cleanAddress(location, history);
        throw error;
      }
    },

    async stripe() {
      if (typeof window === "undefined")
        throw new TollkeeperClientError("not_in_browser", "Stripe.js works in a browser only.");
      return stripeJs.load((await client.config()).publishableKey);
    },
  };
  return client;
}
