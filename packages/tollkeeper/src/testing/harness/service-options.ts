/** The options of a service that uses the emulator. */
import type { Plans } from "../../domain/plans.ts";
import type { TollkeeperOptions } from "../../options.ts";
import {
  TEST_APP_URL,
  TEST_PUBLISHABLE_KEY,
  TEST_SECRET_KEY,
  TEST_STRIPE_URL,
  TEST_WEBHOOK_SECRET,
} from "./constants.ts";
import { authenticateTestUser } from "./sign-in.ts";

/** With a virtual clock, a used-up budget of requests per second would never recover. */
const UNLIMITED_REQUESTS_PER_SECOND = 10_000;

/** Returns options with test keys, a sign-in by name, no retries and no request limit. */
export function emulatorOptions(plans: Plans): TollkeeperOptions {
  return {
    plans,
    stripeSecretKey: TEST_SECRET_KEY,
    stripePublishableKey: TEST_PUBLISHABLE_KEY,
    stripeWebhookSecrets: [TEST_WEBHOOK_SECRET],
    stripeApiBase: TEST_STRIPE_URL,
    stripeNetworkRetries: 0,
    stripeRequestsPerSecond: UNLIMITED_REQUESTS_PER_SECOND,
    appUrl: TEST_APP_URL,
    authenticate: authenticateTestUser,
  };
}
