/** The whole product on one machine with no Stripe account: service, emulator, sign-in and a small app. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { planChanges, pushPlans } from "../../../packages/tollkeeper/src/actions/push-plans.ts";
import { createOidcAuthenticate } from "../../../packages/tollkeeper/src/auth/oidc.ts";
import type { Hooks } from "../../../packages/tollkeeper/src/domain/hooks.ts";
import { describeMoney } from "../../../packages/tollkeeper/src/domain/money.ts";
import { serveEmulator } from "../../../packages/emulator/src/index.ts";
import { listen } from "../../../packages/tollkeeper/src/http/listen.ts";
import { toNodeHandler } from "../../../packages/tollkeeper/src/http/node.ts";
import { createStripeGateway } from "../../../packages/tollkeeper/src/stripe/gateway/gateway.ts";
import { createTollkeeper } from "../../../packages/tollkeeper/src/tollkeeper.ts";
import { VERSION } from "../../../packages/tollkeeper/src/version.ts";
import { createDemoApp } from "./app.ts";
import { createIssuer, DEMO_AUDIENCE } from "./issuer.ts";
import { DEMO_PLANS } from "./plans.ts";

export interface DemoOptions {
  port: number;
  emulatorPort: number;
  /** Where the database and the emulator's state are kept over restarts. */
  folder: string;
  /** Default: an embedded database in the folder. */
  databaseUrl?: string | undefined;
  /** Forgets what earlier runs left. */
  fresh?: boolean;
  environment?: string | undefined;
  logLevel?: string | undefined;
}

export interface Demo {
  url: string;
  emulatorUrl: string;
  stop(): Promise<void>;
}

const HOST = "127.0.0.1";
const SECRET_KEY = "sk_test_demo";
/** Signs between the two halves of the demo on this machine; it protects nothing. */
const WEBHOOK_SECRET = "whsec_demo_secret";
const MAX_TOLD = 20;

export async function startDemo(options: DemoOptions): Promise<Demo> {
  if (options.fresh) rmSync(options.folder, { recursive: true, force: true });
  mkdirSync(options.folder, { recursive: true });
  const url = `http://localhost:${options.port}`;
  const local = `http://${HOST}:${options.port}`;
  const emulator = await serveEmulator({
    port: options.emulatorPort,
    host: HOST,
    environment: options.environment,
    seed: Date.now() % 1_000_000,
    stateFile: join(options.folder, "emulator.json"),
    webhooks: [{ url: `${local}/stripe/webhook`, secret: WEBHOOK_SECRET }],
  });
  const issuer = await createIssuer(`${local}/demo/issuer`, join(options.folder, "issuer.json"));
  const authenticate = createOidcAuthenticate({ issuer: issuer.issuer, audience: DEMO_AUDIENCE, now: Date.now });
  const told: { at: number; hook: string; summary: string }[] = [];
  const tollkeeper = createTollkeeper({
    plans: DEMO_PLANS,
    stripeSecretKey: SECRET_KEY,
    stripePublishableKey: "pk_test_demo",
    stripeWebhookSecrets: [WEBHOOK_SECRET],
    stripeApiBase: emulator.url,
    databaseUrl: options.databaseUrl ?? `file:${join(options.folder, "tollkeeper.sqlite")}`,
    appUrl: url,
    allowedOrigins: [local],
    authenticate,
    hooks: recordingHooks(told, () => emulator.now()),
    logLevel: options.logLevel ?? "warn",
    // Billing follows the emulator's clock; signatures, tokens and leases keep the machine's.
    runtime: { billingNow: () => emulator.now() },
  });
  await pushDemoPlans(emulator.url);
  await tollkeeper.start();
  const app = createDemoApp({ tollkeeper, emulator, emulatorUrl: emulator.url, issuer, authenticate, told });
  const server = await listen(toNodeHandler({ fetch: async (request) => app.fetch(request), basePath: "" }), {
    port: options.port,
    host: HOST,
    portName: "PORT",
  });
  return {
    url,
    emulatorUrl: emulator.url,
    async stop() {
      await emulator.close();
      await server.close(true);
      await tollkeeper.stop();
    },
  };
}

async function pushDemoPlans(apiBase: string): Promise<void> {
  const gateway = createStripeGateway({
    secretKey: SECRET_KEY,
    mode: "test",
    userIdKey: "auth0_user_id",
    apiBase,
    networkRetries: 1,
    version: VERSION,
    now: Date.now,
  });
  await pushPlans(gateway, await planChanges(gateway, DEMO_PLANS), { newId: () => crypto.randomUUID(), now: Date.now });
}

/** Shows in the panel what an app's own code would be told. */
function recordingHooks(told: { at: number; hook: string; summary: string }[], now: () => number): Hooks {
  const record = (hook: string, summary: string): void => {
    told.unshift({ at: now(), hook, summary });
    told.length = Math.min(told.length, MAX_TOLD);
  };
  return {
    onAccessGranted: ({ userId, features }) => record("onAccessGranted", `${userId}: ${features.join(", ")}`),
    onAccessRevoked: ({ userId, features }) => record("onAccessRevoked", `${userId}: ${features.join(", ")}`),
    onPaymentSucceeded: ({ userId, amount, currency }) =>
      record("onPaymentSucceeded", `${userId}: ${describeMoney(amount, currency)}`),
    onPaymentFailed: ({ userId, message }) => record("onPaymentFailed", `${userId}: ${message ?? ""}`),
    onPaymentActionRequired: ({ userId, message }) => record("onPaymentActionRequired", `${userId}: ${message ?? ""}`),
    onTrialWillEnd: ({ userId, trialEnd }) =>
      record("onTrialWillEnd", `${userId}: ${new Date(trialEnd).toDateString()}`),
  };
}
