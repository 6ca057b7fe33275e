/** Runs the whole product on one machine, without a Stripe account: service, emulator, sign-in and a small app. */
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
  /** Folder of the database and of the emulator's state. */
  folder: string;
  /** URL of the demo's database. Default: a SQLite file in the demo's folder. */
  databaseUrl?: string | undefined;
  /** If true, the demo deletes the state of earlier runs when it starts. Default false. */
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
/**
 * The secret that signs the demo's webhooks. This webhook secret can be public, because it protects nothing outside this
 * machine.
 */
const WEBHOOK_SECRET = "whsec_demo_secret";
const MAX_LOGGED_HOOKS = 20;

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
  const hookLog: { at: number; hook: string; summary: string }[] = [];
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
    hooks: recordingHooks(hookLog, () => emulator.now()),
    logLevel: options.logLevel ?? "warn",
  });
  await pushDemoPlans(emulator.url);
  await tollkeeper.start();
  const app = createDemoApp({ url, tollkeeper, emulator, emulatorUrl: emulator.url, issuer, authenticate, hookLog });
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

/** Returns hooks that record their calls, so that the demo page can show these calls. */
function recordingHooks(hookLog: { at: number; hook: string; summary: string }[], now: () => number): Hooks {
  const record = (hook: string, summary: string): void => {
    hookLog.unshift({ at: now(), hook, summary });
    hookLog.length = Math.min(hookLog.length, MAX_LOGGED_HOOKS);
  };
  return {
    onAccessGranted: ({ owner, features }) => record("onAccessGranted", `${owner.id}: ${features.join(", ")}`),
    onAccessRevoked: ({ owner, features }) => record("onAccessRevoked", `${owner.id}: ${features.join(", ")}`),
    onPaymentSucceeded: ({ owner, amount, currency }) =>
      record("onPaymentSucceeded", `${owner.id}: ${describeMoney(amount, currency)}`),
    onPaymentFailed: ({ owner, message }) => record("onPaymentFailed", `${owner.id}: ${message ?? ""}`),
    onPaymentActionRequired: ({ owner, message }) => record("onPaymentActionRequired", `${owner.id}: ${message ?? ""}`),
    onTrialStarted: ({ owner, trialEnd }) => record("onTrialStarted", `${owner.id}: until ${dayOf(trialEnd)}`),
    onTrialWillEnd: ({ owner, trialEnd }) => record("onTrialWillEnd", `${owner.id}: ${dayOf(trialEnd)}`),
    onRefund: ({ owner, amount, currency, outcome }) =>
      record("onRefund", `${owner.id}: ${describeMoney(amount, currency)} ${outcome}`),
    onDispute: ({ owner, amount, currency, outcome }) =>
      record("onDispute", `${owner.id}: ${describeMoney(amount, currency)} ${outcome}`),
  };
}

function dayOf(instant: number): string {
  return new Date(instant).toDateString();
}
