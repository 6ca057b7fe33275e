/** Runs the published `@supabase/stripe-sync-engine`, which stores each field of Stripe's objects in a separate column. */
import { createRequire } from "node:module";
import type * as Engine from "@supabase/stripe-sync-engine";
import pg from "pg";
import type Stripe from "stripe";
import { expect, onTestFinished, test } from "vitest";
import { createEmulator, type Emulator } from "../../packages/emulator/src/index.ts";
import { freshDatabase } from "../support/databases.ts";
import { purchase } from "./purchase.ts";
import { byId, DAY, LISTS, MONTH, type Row } from "./sync-app.ts";

// The ES module of `@supabase/stripe-sync-engine` does not find its migration files.
const own = createRequire(createRequire(import.meta.url).resolve("@supabase/stripe-sync-engine"));
const { StripeSync, runMigrations } = own("@supabase/stripe-sync-engine") as typeof Engine;
const StripeClient = own("stripe") as typeof Stripe;

const SECRET = "whsec_supabase";
const { coupons: _none, ...TABLES } = LISTS;
const REVALIDATED = ["subscription", "invoice", "customer", "product", "price", "payment_method", "plan"] as const;

interface SupabaseApp {
  emulator: Emulator;
  stripe: Stripe;
  sync: Engine.StripeSync;
  /** Returns a map from the id of each table row to the content of the row as JSON. */
  table(name: string): Promise<Map<string, Row>>;
  /** Fails if a column of a database row differs from the field of the same name in Stripe's object. */
  expectSame(): Promise<void>;
}

async function createSupabaseApp({ startAt = Date.now() } = {}): Promise<SupabaseApp> {
  const databaseUrl = await freshDatabase("postgres");
  const emulator = createEmulator({
    startAt,
    baseUrl: "http://stripe.test",
    checkResponses: true,
    webhooks: [{ url: "http://app.test/hook", secret: SECRET }],
    fetch: async (request) => {
      await sync.processWebhook(await request.text(), request.headers.get("stripe-signature") ?? "");
      return new Response(null, { status: 204 });
    },
  });
  onTestFinished(() => expect(emulator.audit()).toEqual([]));
  const network = (input: RequestInfo | URL, init?: RequestInit) => emulator.fetch(new Request(input, init));
  const httpClient = StripeClient.createFetchHttpClient(network);
  await runMigrations({ databaseUrl, schema: "stripe" });
  const sync = new StripeSync({
    stripeSecretKey: "sk_test_supabase",
    stripeWebhookSecret: SECRET,
    poolConfig: { connectionString: databaseUrl },
    revalidateObjectsViaStripeApi: [...REVALIDATED, "charge", "payment_intent", "setup_intent", "refund"],
    backfillRelatedEntities: false,
  });
  onTestFinished(() => sync.close());
  sync.stripe = new StripeClient("sk_test_supabase", { maxNetworkRetries: 0, httpClient });
  const database = new pg.Pool({ connectionString: databaseUrl });
  onTestFinished(() => database.end());
  const { stripe } = sync;

  const table: SupabaseApp["table"] = async (name) => {
    const { rows } = await database.query<{ row: Row }>(`select to_jsonb(t) as row from stripe."${name}" t`);
    return byId(rows.map(({ row }) => row));
  };
  return {
    emulator,
    stripe,
    sync,
    table,
    async expectSame() {
      for (const [name, list] of Object.entries(TABLES)) {
        const rows = await table(name);
        const listed = byId(JSON.parse(JSON.stringify((await list(stripe)).data)) as Row[]);
        expect([...rows.keys()], name).toEqual([...listed.keys()]);
        for (const [id, row] of rows) {
          const object: Record<string, unknown> = listed.get(id) ?? {};
          // The SDK of `@supabase/stripe-sync-engine` returns decimals as objects. The package `@supabase/stripe-sync-engine`
          // stores decimal objects as text with quotes.
          const fields = Object.keys(row).filter((field) => field in object && !field.endsWith("_decimal"));
          expect(fields.length).toBeGreaterThan(5);
          const columns = Object.fromEntries(fields.map((field) => [field, readAs(object[field], row[field])]));
          expect(columns, name).toEqual(Object.fromEntries(fields.map((field) => [field, object[field]])));
        }
      }
    },
  };
}

/** Some database columns store nested objects as text instead of JSON. */
function readAs(field: unknown, column: unknown): unknown {
  return typeof column === "string" && typeof field === "object" ? (JSON.parse(column) as unknown) : column;
}

test("from a purchase to the end of the subscription, sync-engine's columns equal the emulator's responses after each webhook", async () => {
  const app = await createSupabaseApp();
  const { customer, subscription } = await purchase(app, { trialDays: 7 });
  await app.emulator.drain();
  await app.expectSame();
  await app.emulator.advance(40 * DAY);
  await app.expectSame();
  expect([...(await app.table("invoice_payments")).values()]).toMatchObject([{ status: "paid" }, { status: "paid" }]);

  const bad = await app.stripe.paymentMethods.attach("pm_card_chargeCustomerFail", { customer });
  await app.stripe.subscriptions.update(subscription, { default_payment_method: bad.id });
  await app.emulator.advance(MONTH);
  await app.expectSame();
  expect((await app.table("subscriptions")).get(subscription)).toMatchObject({ status: "past_due" });
  await app.emulator.advance(MONTH);
  await app.expectSame();
  expect((await app.table("subscriptions")).get(subscription)).toMatchObject({ status: "canceled" });
});

test("syncBackfill fills the tables of sync-engine with all existing objects", async () => {
  const app = await createSupabaseApp({ startAt: Date.now() - 100 * DAY * 1000 });
  for (const { id } of (await app.stripe.webhookEndpoints.list()).data) await app.stripe.webhookEndpoints.del(id);
  await purchase(app);
  await app.emulator.advance(40 * DAY);
  const [charge] = (await app.stripe.charges.list()).data;
  await app.stripe.refunds.create({ charge: charge?.id ?? "" });
  expect(await app.table("customers")).toHaveLength(0);
  for (const object of BACKFILLED) await app.sync.syncBackfill({ object });
  await app.expectSame();
  expect(await app.table("payment_methods")).toHaveLength(1);
  expect(await app.table("plans")).toHaveLength(1);
});

const BACKFILLED: Engine.SyncObject[] = [
  "product",
  "price",
  "plan",
  "customer",
  "subscription",
  "invoice",
  "charge",
  "setup_intent",
  "payment_method",
  "payment_intent",
  "refund",
  "checkout_sessions",
];
