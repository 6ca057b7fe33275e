/**
 * Creates the gateway, which sends all requests to Stripe. The gateway wraps the official SDK, returns our own records and
 * throws our own errors.
 */
import Stripe from "stripe";
import type { Mode } from "../../domain/records.ts";
import { createKeyGuard } from "../limits/operation-key.ts";
import { accountCalls } from "./account.ts";
import { productCalls } from "./products.ts";
import { checkoutCalls } from "./checkout.ts";
import { customerCalls } from "./customers.ts";
import { listCalls } from "./lists.ts";
import { reversalCalls } from "./reversals.ts";
import { subscriptionCalls } from "./subscriptions.ts";
import type { CallContext, StripeGateway } from "./types.ts";

export type * from "./types.ts";

/** The version of Stripe's API for which all requests and records are written. */
export const STRIPE_API_VERSION = "2026-10-28.endive";

const TIMEOUT_MS = 20_000;

export interface GatewayOptions {
  secretKey: string;
  mode: Mode;
  /** Metadata key of Stripe's customers that holds the user's id. */
  userIdKey: string;
  /** Base URL of the emulator, instead of https://api.stripe.com. */
  apiBase?: string | undefined;
  /** Function that sends the requests to Stripe. Default: the global `fetch`. */
  fetch?: typeof fetch | undefined;
  /** Number of retries by the SDK after connection failures, 409, 429 and 5xx. */
  networkRetries: number;
  /** Version of this package (tollkeeper). Each request to Stripe contains this version in its user agent. */
  version: string;
  /** Returns wall time in epoch milliseconds. */
  now: () => number;
}

export function createStripeGateway(options: GatewayOptions): StripeGateway {
  const keys = createKeyGuard(options.fetch ?? fetch, options.now);
  const stripe = connect({ ...options, fetch: keys.fetch });
  const context: CallContext = { userIdKey: options.userIdKey, withKey: keys.withKey };
  return {
    ...accountCalls(stripe),
    ...customerCalls(stripe, context),
    ...checkoutCalls(stripe, context),
    ...subscriptionCalls(stripe, context),
    ...reversalCalls(stripe),
    ...listCalls(stripe, context),
    ...productCalls(stripe, context),
  };
}

function connect(options: GatewayOptions & { fetch: typeof fetch }): Stripe {
  const base = options.apiBase ? new URL(options.apiBase) : null;
  return new Stripe(options.secretKey, {
    apiVersion: STRIPE_API_VERSION,
    maxNetworkRetries: options.networkRetries,
    timeout: TIMEOUT_MS,
    telemetry: false,
    appInfo: { name: "tollkeeper", version: options.version },
    httpClient: Stripe.createFetchHttpClient(options.fetch),
    ...(base && {
      host: base.hostname,
      port: base.port === "" ? (base.protocol === "https:" ? 443 : 80) : Number(base.port),
      protocol: base.protocol === "https:" ? ("https" as const) : ("http" as const),
    }),
  });
}
