/** The parts of the test kit that the tests of this repository use directly: a service on the emulator. */
export { TEST_APP_URL, TEST_SECRET_KEY, TEST_STRIPE_URL, TEST_WEBHOOK_SECRET } from "./constants.ts";
export { loadEmulator, type CreateEmulator, type Network, type TestEmulator } from "./emulator.ts";
export { createLogRecorder, type LogLine } from "./log-recorder.ts";
export { createTestGateway, pushTestPlans } from "./plans.ts";
export { payCheckout } from "./purchase.ts";
export type { TestResponse } from "./read-response.ts";
export { createServiceClient, type ServiceClient } from "./service-client.ts";
export { emulatorOptions } from "./service-options.ts";
export { INVALID_TOKEN } from "./sign-in.ts";
export { createStripeClient, listAll, type StripeClient, type StripeRow } from "./stripe-client.ts";
export { createHarness, TEST_START, type Harness, type HarnessOptions } from "./harness.ts";
export { signedWebhook, signWebhook } from "./webhook-signature.ts";
