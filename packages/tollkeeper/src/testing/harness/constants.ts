/** The keys, secrets and addresses that tests use. No request to the addresses in tests reaches a network. */

/** The emulator keeps a separate Stripe account for each secret key. */
export const TEST_SECRET_KEY = "sk_test_123";
export const TEST_PUBLISHABLE_KEY = "pk_test_123";
export const TEST_WEBHOOK_SECRET = "whsec_test_secret_1";
/** The address of the emulator, which runs in the test's process. */
export const TEST_STRIPE_URL = "http://stripe.test";
/** The address of the test app, which runs in the test's process. */
export const TEST_APP_URL = "http://app.test";
