/** Defines the defaults and the ranges of the options. */
import type { Mode } from "../domain/records.ts";

export const DEFAULT_DATABASE_URL = "file:.tollkeeper/tollkeeper.sqlite";
export const DEFAULT_BASE_PATH = "/stripe";
export const DEFAULT_USER_ID_METADATA_KEY = "auth0_user_id";
/** Port and host of `tollkeeper serve` if `PORT` and `HOST` are not set. */
export const DEFAULT_PORT = 4242;
export const DEFAULT_HOST = "127.0.0.1";

/**
 * Default number of requests per second to Stripe, for test mode and live mode. The default rates are below Stripe's limits of
 * 25 requests per second in test mode and 100 in live mode.
 * @see https://docs.stripe.com/rate-limits
 */
export const DEFAULT_REQUESTS_PER_SECOND: Record<Mode, number> = { test: 20, live: 80 };
export const DEFAULT_REQUESTS_PER_ENDPOINT = 25;
/** Default limits with the emulator, which has no rate limit of its own. */
export const EMULATOR_REQUESTS_PER_SECOND = 1_000;
export const EMULATOR_REQUESTS_PER_ENDPOINT = 10_000;

export interface WholeNumberRange {
  min: number;
  max: number;
}

/** Ranges of the variables that only commands read. */
export const PORT_RANGE: WholeNumberRange = { min: 0, max: 65_535 };
export const KEEP_ALIVE_SECONDS_RANGE: WholeNumberRange = { min: 1, max: 3_600 };

export const RANGES = {
  stripeNetworkRetries: { min: 0, max: 10 },
  stripeRequestsPerSecond: { min: 1, max: 10_000 },
  stripeRequestsPerEndpoint: { min: 1, max: 10_000 },
  stripeRequestsInFlight: { min: 1, max: 1_000 },
  reconcileEveryMinutes: { min: 1, max: 1_440 },
  keepDoneDays: { min: 31, max: 3_650 },
  webhookToleranceSeconds: { min: 1, max: 3_600 },
} as const satisfies Record<string, WholeNumberRange>;

export const DEFAULT_NETWORK_RETRIES = 3;
export const DEFAULT_REQUESTS_IN_FLIGHT = 32;
export const DEFAULT_RECONCILE_EVERY_MINUTES = 60;
export const DEFAULT_KEEP_DONE_DAYS = 35;
export const DEFAULT_WEBHOOK_TOLERANCE_SECONDS = 300;

export const MAX_GRACE_DAYS = 90;
export const MAX_METADATA_KEY_LENGTH = 40;
export const MIN_TOKEN_LENGTH = 16;
export const HOOKS_SECRET_BYTES = { min: 24, max: 64 };
