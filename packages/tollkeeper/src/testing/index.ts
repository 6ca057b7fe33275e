/**
 * The test kit `tollkeeper/testing`: tests of an app's own billing, with a local Stripe and a clock that the test moves. It needs
 * the package `@tollkeeper/emulator` and no network.
 */
export type { AppClient, AppHandler } from "./app-client.ts";
export type { CardName } from "./cards.ts";
export type { Duration } from "./duration.ts";
export type { CreateEmulator, TestEmulator } from "./harness/emulator.ts";
export type { LogLine } from "./harness/log-recorder.ts";
export type { TestResponse } from "./harness/read-response.ts";
export type { HookRun } from "./recorded-hooks.ts";
export type { TestContext } from "./runners.ts";
export { createTestBilling, type TestBilling } from "./test-billing.ts";
export type { TestBillingOptions } from "./test-options.ts";
export type { PaymentResult, TestCheckout } from "./test-checkout.ts";
export type { TestPortal } from "./test-portal.ts";
export type { ServedBilling } from "./kit-state.ts";
export type { ServeOptions } from "./test-server.ts";
export type { TestUser, SubscribeOptions } from "./test-user.ts";
export type { TestWebhooks, WebhookMatch } from "./test-webhooks.ts";
