/** The browser client: checkout, portal, subscriptions and entitlements, with error messages for users. */
import type { Stripe } from "@stripe/stripe-js";
import type {
  CancelRequest,
  CheckoutSessionResponse,
  CheckoutSessionRequest,
  ConfigResponse,
  Entitlement,
  EntitlementsResponse,
  OfferedPlan,
  OfferResponse,
  Plan,
  PortalResponse,
  PortalRequest,
  ResumeRequest,
  Subscription,
  SubscriptionResponse,
  SubscriptionsResponse,
  VerifiedCheckout,
} from "../wire.ts";
import { TollkeeperClientError } from "./errors.ts";
import { request, type GetToken } from "./request.ts";
import { createReturnHandler } from "./return-page.ts";
import { createStripeJs } from "./stripe-js.ts";

export { TollkeeperClientError, type ClientErrorCode } from "./errors.ts";
export type {
  CancelRequest,
  CheckoutSessionRequest,
  ConfigResponse,
  Entitlement,
  OfferedPlan,
  Plan,
  PortalRequest,
  ResumeRequest,
  Subscription,
  VerifiedCheckout,
};

export interface TollkeeperClientOptions {
  /** URL below which the service has its routes. Default `/stripe`. */
  baseUrl?: string;
  /**
   * Returns the signed-in user's access token. The user counts as a visitor if the function returns null, undefined or an empty
   * text, and also if the function fails.
   */
  getToken: GetToken;
  /** The function that sends the client's requests. By default, the client sends requests with the page's `fetch`. */
  fetch?: typeof fetch;
  /** Opens the URL of a page of Stripe in the browser. Default: `location.assign`. */
  navigate?: (url: string) => void;
}

/** Every method except `isAvailable` can throw `TollkeeperClientError`. */
export interface TollkeeperClient {
  /** Returns true if the code runs in a browser and Stripe.js has not been blocked. */
  isAvailable(): boolean;
  /**
   * Returns mode, publishable key, plans and feature flags. The response of the first successful request for the configuration
   * is reused by all later calls.
   */
  config(): Promise<ConfigResponse>;
  /** Returns the plans with what applies to the signed-in user: the trial, the current plan, and what the user can do. */
  offer(): Promise<OfferedPlan[]>;
  /** Opens Stripe's checkout page in the current tab. */
  checkout(request: CheckoutSessionRequest): Promise<void>;
  /** Opens Stripe's customer portal in the current tab. */
  portal(request?: PortalRequest): Promise<void>;
  cancel(request?: CancelRequest): Promise<Subscription>;
  resume(request?: ResumeRequest): Promise<Subscription>;
  subscriptions(): Promise<Subscription[]>;
  entitlements(): Promise<Entitlement[]>;
  /**
   * Returns true if the user may use a feature now. Also check on the server if the user may use a feature, because users
   * control their browser.
   */
  can(feature: string): Promise<boolean>;
  /**
   * Verifies the checkout session whose id is in the page's address, and removes the id from the address. Returns null if the
   * page's address has no checkout session id.
   */
  handleReturn(): Promise<VerifiedCheckout | null>;
  /** Returns Stripe.js, which the first call loads. */
  stripe(): Promise<Stripe>;
}

/**
 * Creates a client. The client sends no request before its first method call.
 *
 * @example
 * const client = createTollkeeperClient({ getToken: () => auth0.getTokenSilently() });
 * await client.handleReturn();
 * button.onclick = () => client.checkout({ plan: "premium", interval: "month" });
 */
export function createTollkeeperClient(options: TollkeeperClientOptions): TollkeeperClient {
  const baseUrl = (options.baseUrl ?? "/stripe").replace(/\/+$/, "");
  const { getToken } = options;
  const navigate = options.navigate ?? ((url: string) => location.assign(url));
  const send: typeof fetch = options.fetch ?? ((input, init) => fetch(input, init));
  const call = <Body>(method: "GET" | "POST", path: string, body?: object) =>
    request<Body>({ baseUrl, getToken, fetch: send }, method, path, body);
  const stripeJs = createStripeJs();
  let configuration: Promise<ConfigResponse> | null = null;
  const handleReturn = createReturnHandler((id) =>
    call<VerifiedCheckout>("GET", `checkout-session?session_id=${encodeURIComponent(id)}`),
  );

  const client: TollkeeperClient = {
    isAvailable: () => typeof window !== "undefined" && typeof fetch === "function" && !stripeJs.isBlocked(),

    config() {
      configuration ??= request<ConfigResponse>({ baseUrl, getToken: null, fetch: send }, "GET", "config").catch(
        (error: unknown) => {
          configuration = null;
          throw error;
        },
      );
      return configuration;
    },

    offer: async () => (await call<OfferResponse>("GET", "offer")).plans,

    async checkout(wanted) {
      const { url } = await call<CheckoutSessionResponse>("POST", "create-checkout-session", wanted);
      navigate(url);
    },

    async portal(wanted = {}) {
      const { url } = await call<PortalResponse>("POST", "create-portal-session", wanted);
      navigate(url);
    },

    cancel: async (wanted = {}) =>
      (await call<SubscriptionResponse>("POST", "cancel-subscription", wanted)).subscription,
    resume: async (wanted = {}) =>
      (await call<SubscriptionResponse>("POST", "resume-subscription", wanted)).subscription,
    subscriptions: async () => (await call<SubscriptionsResponse>("GET", "subscriptions")).subscriptions,
    entitlements: async () => (await call<EntitlementsResponse>("GET", "entitlements")).entitlements,
    can: async (feature) => (await client.entitlements()).some((entitlement) => entitlement.feature === feature),

    handleReturn,

    async stripe() {
      if (typeof window === "undefined")
        throw new TollkeeperClientError(
          "not_in_browser",
          "Stripe.js is available in browsers only. Call stripe() in a browser.",
        );
      return stripeJs.load((await client.config()).publishableKey);
    },
  };
  return client;
}
