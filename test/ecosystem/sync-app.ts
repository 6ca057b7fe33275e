/** Runs sync-engine with a separate PostgreSQL database and a separate emulator. */
import { createRequire } from "node:module";
import { runMigrations, StripeSync, type RevalidateEntity } from "@stripe/sync-engine";
import pg from "pg";
import Stripe from "stripe";
import { expect, onTestFinished } from "vitest";
import { createEmulator, type Emulator } from "../../packages/emulator/src/index.ts";
import { freshDatabase } from "../support/databases.ts";
import { writeDescription } from "./openapi.ts";

export const DAY = 86_400;
/** More than a month and the hour after which Stripe charges a renewal, so that the tests pass on each date. */
export const MONTH = 32 * DAY;
const KEY = "sk_test_sync";
const HOOK = "http://app.test/hook";

export type Row = Record<string, unknown> & { id: string };

/**
 * Maps each table of sync-engine to the Stripe request that lists the objects in the table. The map contains no tables of child
 * objects, because the test compares child objects as parts of their parents.
 */
export const LISTS = {
  products: (stripe) => stripe.products.list({ limit: 100 }),
  prices: (stripe) => stripe.prices.list({ limit: 100 }),
  coupons: (stripe) => stripe.coupons.list({ limit: 100 }),
  customers: (stripe) => stripe.customers.list({ limit: 100 }),
  subscriptions: (stripe) => stripe.subscriptions.list({ limit: 100, status: "all" }),
  invoices: (stripe) => stripe.invoices.list({ limit: 100 }),
  charges: (stripe) => stripe.charges.list({ limit: 100 }),
  payment_intents: (stripe) => stripe.paymentIntents.list({ limit: 100 }),
  setup_intents: (stripe) => stripe.setupIntents.list({ limit: 100 }),
  refunds: (stripe) => stripe.refunds.list({ limit: 100 }),
  checkout_sessions: (stripe) => stripe.checkout.sessions.list({ limit: 100 }),
} satisfies Record<string, (stripe: Stripe) => Promise<{ data: { id: string }[] }>>;
export type Table = keyof typeof LISTS | "payment_methods" | "subscription_items" | "plans";

export interface SyncApp {
  emulator: Emulator;
  stripe: Stripe;
  sync: StripeSync;
  /** The errors that sync-engine logged. */
  errors: string[];
  /** Returns a map from ids to the rows of one table of sync-engine. */
  table(name: Table): Promise<Map<string, Row>>;
  /** Returns the emulator's objects that sync-engine should store in a table. */
  listed(name: keyof typeof LISTS): Promise<Map<string, Row>>;
  /** Fails if the rows of a table differ from the emulator's objects. */
  expectSame(): Promise<void>;
  /** Lets sync-engine create its webhook endpoint at Stripe, so that sync-engine receives events. */
  receive(): Promise<void>;
}

type Network = (input: RequestInfo | URL, init?: RequestInit) => Promise<Response>;

export async function createSyncApp({ startAt = Date.now() } = {}): Promise<SyncApp> {
  const databaseUrl = await freshDatabase("postgres");
  const errors: string[] = [];
  const emulator = createEmulator({
    startAt,
    baseUrl: "http://stripe.test",
    checkResponses: true,
    fetch: async (request) => {
      const signature = request.headers.get("stripe-signature") ?? undefined;
      await sync.webhook.processWebhook(await request.text(), signature);
      return new Response(null, { status: 204 });
    },
  });
  onTestFinished(() => expect(emulator.audit()).toEqual([]));
  const network: Network = (input, init) => emulator.fetch(new Request(input, init));
  const stripe = new Stripe(KEY, { maxNetworkRetries: 0, httpClient: Stripe.createFetchHttpClient(network) });
  const sync = await createSync(databaseUrl, network, errors);
  const database = new pg.Pool({ connectionString: databaseUrl });
  onTestFinished(() => database.end());
  const table: SyncApp["table"] = async (name) => {
    const { rows } = await database.query<{ row: Row }>(`select _raw_data as row from stripe."${name}" order by id`);
    return byId(rows.map(({ row }) => row));
  };
  const listed: SyncApp["listed"] = async (name) => {
    const { data } = await LISTS[name](stripe);
    return byId(JSON.parse(JSON.stringify(data)) as Row[]);
  };
  return {
    emulator,
    stripe,
    sync,
    errors,
    table,
    listed,
    async expectSame() {
      for (const name of Object.keys(LISTS) as (keyof typeof LISTS)[])
        expect(await table(name), name).toEqual(await listed(name));
    },
    async receive() {
      await sync.webhook.findOrCreateManagedWebhook(HOOK);
    },
  };
}

/** Migrates the database and creates sync-engine. Appends the errors that sync-engine logs to `errors`. */
async function createSync(databaseUrl: string, network: Network, errors: string[]): Promise<StripeSync> {
  const logger = {
    info() {},
    warn() {},
    error: (...about: unknown[]) => void errors.push(about.map(String).join(" ")),
  };
  await runMigrations({ databaseUrl, openApiSpecPath: writeDescription(), logger });
  const sync = await StripeSync.create({
    stripeSecretKey: KEY,
    stripeAccountId: "acct_sync",
    poolConfig: { connectionString: databaseUrl },
    // sync-engine stores only the first of several events in one second, so `revalidateObjectsViaStripeApi` makes it retrieve
    // the current state.
    revalidateObjectsViaStripeApi: ENTITIES,
    logger,
  });
  onTestFinished(() => sync.close());
  useNetwork(sync, network);
  return sync;
}

const ENTITIES: RevalidateEntity[] = [
  "subscription",
  "invoice",
  "customer",
  "product",
  "price",
  "payment_method",
  "charge",
  "payment_intent",
  "setup_intent",
  "refund",
  "checkout_sessions",
  "coupon",
];

/**
 * sync-engine has no option with which a test can redirect its network requests. sync-engine's Stripe client gets an
 * `httpClient` that sync-engine's own copy of the Stripe SDK creates.
 */
function useNetwork(sync: StripeSync, network: typeof fetch): void {
  const own = createRequire(createRequire(import.meta.url).resolve("@stripe/sync-engine"));
  const { createFetchHttpClient } = own("stripe") as Pick<typeof Stripe, "createFetchHttpClient">;
  const { _setApiField: set } = sync.stripe as unknown as { _setApiField(name: string, value: unknown): void };
  set.call(sync.stripe, "httpClient", createFetchHttpClient(network));
}

export function byId(rows: Row[]): Map<string, Row> {
  return new Map(rows.toSorted((a, b) => (a.id < b.id ? -1 : 1)).map((row) => [row.id, row]));
}
