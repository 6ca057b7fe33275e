/** Runs `@foadonis/shopkeeper` in an AdonisJS app with a separate PostgreSQL database and a separate emulator. */
import { configProvider } from "@adonisjs/core";
import { IgnitorFactory } from "@adonisjs/core/factories";
import { compose, Secret } from "@adonisjs/core/helpers";
import type { ApplicationService } from "@adonisjs/core/types";
import { defineConfig as defineDatabase } from "@adonisjs/lucid";
import type Subscription from "@foadonis/shopkeeper/models/subscription";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import pg from "pg";
import Stripe from "stripe";
import { expect, onTestFinished } from "vitest";
import { createEmulator, type Emulator } from "../../packages/emulator/src/index.ts";
import { freshDatabase } from "../support/databases.ts";
import { networkOf, type Sdk } from "./network.ts";

const KEY = "sk_test_shop";
const SECRET = "whsec_shop";

export interface ShopApp {
  emulator: Emulator;
  stripe: Stripe;
  /** The model of the app's users, with the methods that the package adds. */
  users: { create(values: object): Promise<Billable> };
  /** Returns the row of the package's only subscription. */
  row(): Promise<Record<string, unknown> | undefined>;
}

/** The methods of the package that the tests call. */
export interface Billable {
  stripeId: string | null;
  createAsStripeCustomer(params?: object): Promise<{ id: string }>;
  updateDefaultPaymentMethod(method: string): Promise<unknown>;
  newSubscription(type: string, price: string): SubscriptionBuilder;
  subscribed(type: string): Promise<boolean>;
  subscription(type: string): Promise<Subscription | null>;
  refund(paymentIntent: string): Promise<Stripe.Refund>;
  invoices(): Promise<{ total(): string }[]>;
  billingPortalUrl(returnUrl: string): Promise<string>;
}

interface SubscriptionBuilder {
  create(method: string): Promise<Subscription>;
  checkout(options: object): Promise<unknown>;
}

export async function createShopApp(): Promise<ShopApp> {
  const databaseUrl = await freshDatabase("postgres");
  const database = new pg.Pool({ connectionString: databaseUrl });
  onTestFinished(() => database.end());
  await database.query(TABLES);
  let origin = "";
  const emulator = createEmulator({
    baseUrl: "http://stripe.test",
    checkResponses: true,
    onWarning: () => {},
    webhooks: [{ url: "http://app.test/stripe/webhook", secret: SECRET }],
    fetch: async (request) =>
      fetch(origin + new URL(request.url).pathname, {
        method: "POST",
        headers: request.headers,
        body: await request.text(),
      }),
  });
  onTestFinished(() => expect(emulator.audit()).toEqual([]));
  const app = await bootApp(emulator, databaseUrl);
  const { port, users } = app;
  origin = `http://127.0.0.1:${port}`;
  const httpClient = Stripe.createFetchHttpClient(networkOf(emulator));
  const row: ShopApp["row"] = async () => (await database.query("select * from subscriptions")).rows[0];
  return { emulator, stripe: new Stripe(KEY, { httpClient, maxNetworkRetries: 0 }), users, row };
}

/** Starts the AdonisJS app with the package's own provider, routes and webhook listeners. */
async function bootApp(emulator: Emulator, databaseUrl: string): Promise<{ port: number; users: ShopApp["users"] }> {
  // The package has its own copy of Stripe's SDK.
  const sdk = createRequire(createRequire(import.meta.url).resolve("@foadonis/shopkeeper"))("stripe") as Sdk;
  const users: { model: unknown } = { model: null };
  const connection = { client: "pg", connection: { connectionString: databaseUrl } };
  const settings = {
    rcFileContents: {
      providers: [
        () => import("@adonisjs/lucid/database_provider"),
        () => import("@foadonis/shopkeeper/shopkeeper_provider"),
      ],
    },
    config: {
      database: defineDatabase({ connection: "pg", connections: { pg: connection as never } }),
      shopkeeper: configProvider.create(async (app) => {
        // Models can be defined only when the app boots.
        users.model = await defineUser();
        return resolveShop(app, users.model, sdk.createFetchHttpClient(networkOf(emulator)));
      }),
    },
  };
  const ignitor = new IgnitorFactory().withCoreConfig().withCoreProviders().merge(settings);
  const app = ignitor.create(new URL("./", import.meta.url), { importer: (path) => import(path) }).createApp("web");
  await app.init();
  await app.boot();
  onTestFinished(() => app.terminate());
  const shop = (await app.container.make("shopkeeper" as never)) as {
    registerRoutes(): void;
    registerWebhookListeners(): void;
  };
  shop.registerRoutes();
  shop.registerWebhookListeners();
  const server = await app.container.make("server");
  server.use([() => import("@adonisjs/core/bodyparser_middleware")]);
  await server.boot();
  const http = createServer((request, response) => void server.handle(request, response));
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void http.close());
  return { port: (http.address() as AddressInfo).port, users: users.model as ShopApp["users"] };
}

async function defineUser(): Promise<unknown> {
  const { billable } = await import("@foadonis/shopkeeper/mixins");
  const { BaseModel } = await import("@adonisjs/lucid/orm");
  class User extends compose(BaseModel, billable()) {}
  User.boot();
  User.$addColumn("id", { isPrimary: true });
  User.$addColumn("email", {});
  User.$addColumn("name", {});
  return User;
}

async function resolveShop(app: ApplicationService, user: unknown, httpClient: object): Promise<unknown> {
  const { defineConfig } = await import("@foadonis/shopkeeper");
  const config = {
    key: "pk_test_shop",
    secret: new Secret(KEY),
    currency: "usd",
    currencyLocale: "en-US",
    webhook: { secret: new Secret(SECRET), tolerance: 300, enforceSecret: true },
    stripe: { httpClient, maxNetworkRetries: 0 },
    models: {
      customerModel: async () => ({ default: user }),
      subscriptionModel: () => import("@foadonis/shopkeeper/models/subscription"),
      subscriptionItemModel: () => import("@foadonis/shopkeeper/models/subscription_item"),
    },
    calculateTaxes: false,
    keepIncompleteSubscriptionsActive: false,
    keepPastDueSubscriptionsActive: false,
    registerRoutes: true,
  };
  return configProvider.resolve(app, defineConfig(config as never));
}

/** The tables of the package's migrations. */
const TABLES = `
create table users (
  id serial primary key, email text, name text,
  stripe_id text, pm_type text, pm_last_four text, trial_ends_at timestamptz
);
create table subscriptions (
  id serial primary key, user_id int references users(id), type text not null, stripe_id text unique not null,
  stripe_status text not null, stripe_price text, quantity int, trial_ends_at timestamptz, ends_at timestamptz,
  created_at timestamptz not null, updated_at timestamptz
);
create table subscription_items (
  id serial primary key, subscription_id int references subscriptions(id) on delete cascade,
  stripe_id text unique not null, stripe_product text not null, stripe_price text not null, quantity int,
  created_at timestamptz not null, updated_at timestamptz
);
create table stripe_webhook_events (
  event_id text primary key, created_at timestamptz not null, event_payload json not null
);
`;
