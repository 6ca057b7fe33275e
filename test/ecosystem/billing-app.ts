/** Runs `stripe-no-webhooks` with a separate PostgreSQL database and a separate emulator. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import pg from "pg";
import Stripe from "stripe";
import { Billing, type BillingConfig } from "stripe-no-webhooks";
import { expect, onTestFinished, vi } from "vitest";
import { createEmulator, type Emulator } from "../../packages/emulator/src/index.ts";
import { freshDatabase } from "../support/databases.ts";
import { networkOf, useDefaultNetwork, type Sdk } from "./network.ts";

const KEY = "sk_test_billing";
const HOOK = "http://app.test/api/stripe/webhook";
/** The commands of the package's command-line program, which the package's bin calls. */
const COMMANDS = "./node_modules/stripe-no-webhooks/bin/commands";
export const USER = { id: "user_ada", name: "Ada", email: "ada@example.com" };

export interface BillingApp {
  emulator: Emulator;
  stripe: Stripe;
  billing: Billing;
  /** The plans, with the ids that the command `sync` wrote. */
  plans: NonNullable<NonNullable<BillingConfig["test"]>["plans"]>;
  /** The calls of the app's callbacks: the callback's name and its first argument. */
  calls: { name: string; about: unknown }[];
  /** The errors that the package logged. */
  errors: string[];
  /** Sends a request of the signed-in user to the package's handler. */
  post(action: string, body: object): Promise<Answer>;
  /** Returns the rows of one of the package's tables. */
  rows(table: string): Promise<Row[]>;
}

export type Row = Record<string, unknown> & { id: string };
export type Answer = Record<string, unknown>;

interface Commands {
  migrate: (url: string, options: object) => Promise<{ success: boolean }>;
  sync: (options: object) => Promise<{ success: boolean }>;
}

const require = createRequire(import.meta.url);

export async function createBillingApp(): Promise<BillingApp> {
  const databaseUrl = await freshDatabase("postgres");
  const emulator = createEmulator({
    baseUrl: "http://stripe.test",
    checkResponses: true,
    onWarning: () => {},
    fetch: (request) => handler(request),
  });
  onTestFinished(() => expect(emulator.audit()).toEqual([]));
  // The package and its command-line program load different builds of Stripe's SDK.
  for (const sdk of [Stripe, require("stripe") as Sdk]) useDefaultNetwork(sdk, networkOf(emulator));
  const errors = silenceLogs();
  const config = await pushPlans(databaseUrl);
  const stripe = new Stripe(KEY, { maxNetworkRetries: 0 });
  const hook = await stripe.webhookEndpoints.create({ url: HOOK, enabled_events: ["*"] });
  const calls: BillingApp["calls"] = [];
  const billing = new Billing({
    stripeSecretKey: KEY,
    stripeWebhookSecret: hook.secret ?? "",
    databaseUrl,
    billingConfig: config,
    successUrl: "http://app.test/welcome",
    cancelUrl: "http://app.test/plans",
    resolveUser: () => USER,
    callbacks: Object.fromEntries(
      CALLBACKS.map((name) => [name, (about: unknown) => void calls.push({ name, about })]),
    ),
  });
  const handler = billing.createHandler();
  const database = new pg.Pool({ connectionString: databaseUrl });
  onTestFinished(() => closePools(billing, database));
  return {
    emulator,
    stripe,
    billing,
    plans: config.test?.plans ?? [],
    calls,
    errors,
    async post(action, body) {
      const headers = { accept: "application/json", origin: "http://app.test" };
      const init = { method: "POST", headers, body: JSON.stringify(body) };
      const response = await handler(new Request(`http://app.test/api/stripe/${action}`, init));
      return (await response.json()) as Answer;
    },
    async rows(table) {
      const { rows } = await database.query<{ row: Row }>(`select to_jsonb(t) as row from stripe."${table}" t`);
      return rows.map(({ row }) => row);
    },
  };
}

const CALLBACKS = [
  "onSubscriptionCreated",
  "onSubscriptionCancelled",
  "onSubscriptionRenewed",
  "onSubscriptionPlanChanged",
  "onSubscriptionPaymentFailed",
];

/** Runs the package's commands `migrate` and `sync`. Returns the configuration that `sync` wrote. */
async function pushPlans(databaseUrl: string): Promise<BillingConfig> {
  const { migrate } = require(`${COMMANDS}/migrate.js`) as Commands;
  const { sync } = require(`${COMMANDS}/sync.js`) as Commands;
  const folder = await mkdtemp(join(tmpdir(), "billing-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, "billing.config.ts");
  await writeFile(file, CONFIG);
  const env = { DATABASE_URL: databaseUrl, STRIPE_SECRET_KEY: KEY };
  const options = { env, cwd: folder, exitOnError: false };
  expect(await migrate(databaseUrl, options)).toMatchObject({ success: true });
  expect(await sync(options)).toMatchObject({ success: true });
  const written = (await import(/* @vite-ignore */ pathToFileURL(file).href)) as { default: BillingConfig };
  return written.default;
}

const CONFIG = `import type { BillingConfig } from "stripe-no-webhooks";

const billingConfig: BillingConfig = {
  test: {
    plans: [
      {
        name: "Basic",
        price: [{ amount: 900, currency: "usd", interval: "month" }],
        features: { api_calls: { pricePerCredit: 1, credits: { allocation: 100 } } },
      },
      {
        name: "Pro",
        price: [
          { amount: 2900, currency: "usd", interval: "month" },
          { amount: 29000, currency: "usd", interval: "year" },
        ],
        features: { api_calls: { pricePerCredit: 1, credits: { allocation: 1000 } } },
      },
      {
        name: "Team",
        price: [{ amount: 4900, currency: "usd", interval: "month" }],
      },
    ],
  },
  production: { plans: [] },
};

export default billingConfig;
`;

/** Collects the errors that the package logs to the console. The package accepts no other logger. */
function silenceLogs(): string[] {
  const errors: string[] = [];
  vi.spyOn(console, "log").mockReturnValue();
  vi.spyOn(console, "warn").mockReturnValue();
  vi.spyOn(console, "error").mockImplementation((...about: unknown[]) => void errors.push(about.map(String).join(" ")));
  onTestFinished(() => void vi.restoreAllMocks());
  return errors;
}

/** Ends the connections to the database. The package has no method that ends its own connections. */
async function closePools(billing: Billing, database: pg.Pool): Promise<void> {
  const { pool, sync } = billing as unknown as { pool: pg.Pool; sync: { close(): Promise<void> } };
  await Promise.all([pool.end(), sync.close(), database.end()]);
}
