/**
 * Starts the servers that a process of the service needs: the emulator, a token issuer and a database. All test servers use
 * real sockets.
 */
import { onTestFinished } from "vitest";
import { serveEmulator, type ServedEmulator } from "../../packages/emulator/src/index.ts";
import type { Plans } from "../../packages/tollkeeper/src/index.ts";
import {
  createServiceClient,
  createStripeClient,
  createTestGateway,
  pushTestPlans,
  TEST_SECRET_KEY,
  TEST_STRIPE_URL,
  TEST_WEBHOOK_SECRET,
  type ServiceClient,
  type StripeClient,
} from "../../packages/tollkeeper/src/testing/harness/index.ts";
import { freshDatabase, type DialectName } from "./databases.ts";
import { startIssuer, type TestIssuer, type TestIssuerOptions } from "./issuer.ts";
import { freePort } from "./ports.ts";

export interface TestServers {
  emulator: ServedEmulator;
  issuer: TestIssuer;
  /** The address of the test's app. The test itself starts the app with the environment `env`. */
  appUrl: string;
  /** The environment variables for a service that uses the servers of the test. */
  env: Record<string, string>;
  /** Calls a route of the app as the given user. The path of the route must include `/stripe`. */
  call: ServiceClient;
  stripe: StripeClient;
}

export interface TestServersOptions {
  plans: Plans;
  dialect?: DialectName;
  issuer?: TestIssuerOptions;
}

/** Starts the servers and creates the plans at Stripe. Stops the servers at the end of the test. */
export async function startTestServers({
  plans,
  dialect = "sqlite",
  issuer: issuerOptions,
}: TestServersOptions): Promise<TestServers> {
  const [port, emulatorPort] = [await freePort(), await freePort()];
  const appUrl = `http://127.0.0.1:${port}`;
  const emulator = await serveEmulator({
    port: emulatorPort,
    // The gateway of the test names this host.
    allowedHosts: [new URL(TEST_STRIPE_URL).hostname],
    seed: 7,
    strict: true,
    webhooks: [{ url: `${appUrl}/stripe/webhook`, secret: TEST_WEBHOOK_SECRET }],
  });
  onTestFinished(() => emulator.close());
  const issuer = await startIssuer(issuerOptions);
  await pushTestPlans(createTestGateway(emulator), plans, Date.now);
  return {
    emulator,
    issuer,
    appUrl,
    env: {
      PORT: String(port),
      APP_URL: appUrl,
      STRIPE_SECRET_KEY: TEST_SECRET_KEY,
      STRIPE_PUBLISHABLE_KEY: "pk_test_123",
      STRIPE_WEBHOOK_SECRET: TEST_WEBHOOK_SECRET,
      STRIPE_API_BASE: emulator.url,
      DATABASE_URL: await freshDatabase(dialect),
      AUTH_ISSUER: issuer.url,
      AUTH_AUDIENCE: issuer.audience,
      LOG_LEVEL: "warn",
    },
    call: createServiceClient({ fetch: (request) => fetch(request), baseUrl: appUrl, tokenOf: issuer.sign }),
    stripe: createStripeClient({ fetch: (request) => fetch(request), baseUrl: emulator.url }),
  };
}

const RETRY_MS = 20;
/** The timeout of `eventually` is longer than the lease of a killed process. */
const TIMEOUT_MS = 20_000;

/**
 * Reads a value repeatedly until the value is as expected, because another process changes the value. If the value is not as
 * expected within the timeout, throws an error that contains the last value.
 */
export async function eventually<T>(read: () => Promise<T>, isExpected: (value: T) => boolean): Promise<T> {
  const deadline = performance.now() + TIMEOUT_MS;
  for (;;) {
    const value = await read();
    if (isExpected(value)) return value;
    if (performance.now() > deadline) throw new Error(`timed out; the last value was ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}
