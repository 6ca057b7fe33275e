/** An app whose users, sessions and subscriptions better-auth keeps in SQLite, on an emulator of its own. */
import { DatabaseSync } from "node:sqlite";
import { stripe } from "@better-auth/stripe";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import Stripe from "stripe";
import { expect, onTestFinished } from "vitest";
import {
  createEmulator,
  serveEmulator,
  type Emulator,
  type EmulatorOptions,
} from "../../packages/emulator/src/index.ts";
import { freePort } from "../support/ports.ts";

export const DAY = 86_400;
const APP = "http://app.test";
const SECRET = "whsec_better_auth";

export interface AuthApp {
  emulator: Emulator;
  stripeUrl: string;
  stripe: Stripe;
  /** The cookie of a new user. */
  signUp(email: string): Promise<string>;
  /** Calls better-auth as that user. */
  call(cookie: string, method: "GET" | "POST", path: string, body?: object): Promise<Answer>;
  /** Follows a link back into the app. */
  visit(cookie: string, url: string): Promise<Response>;
  /** The one row of better-auth's table, with its dates in milliseconds. */
  row(table: "user" | "subscription"): Row;
  /** What better-auth logged above info. */
  complaints: string[];
  /** The parameters that the emulator took and ignored. */
  ignored: string[];
}

export interface Answer {
  status: number;
  body: Record<string, unknown>;
}

export type Row = Record<string, string | number | null>;

/** Served, the SDK reaches it over HTTP; else there is no socket between them. */
export async function createAuthApp({ webhook = true, served = false } = {}): Promise<AuthApp> {
  const complaints: string[] = [];
  const ignored: string[] = [];
  // Both live at the wall's time: better-auth has no other clock.
  const port = served ? await freePort() : 80;
  const url = new URL(served ? `http://127.0.0.1:${port}` : "http://stripe.test");
  const options: EmulatorOptions = {
    clock: "still",
    baseUrl: url.origin,
    checkAnswers: true,
    webhooks: webhook ? [{ url: `${APP}/api/auth/stripe/webhook`, secret: SECRET }] : [],
    fetch: (request) => auth.handler(request),
    onIgnored: (operation, param) => ignored.push(`${operation} ${param}`),
  };
  const emulator = served ? await serve(options, port) : createEmulator(options);
  onTestFinished(() => expect(emulator.audit()).toEqual([]));
  const client = new Stripe("sk_test_auth", {
    host: url.hostname,
    protocol: "http",
    port,
    maxNetworkRetries: 0,
    ...(!served && {
      httpClient: Stripe.createFetchHttpClient((input: RequestInfo | URL, init?: RequestInit) =>
        emulator.fetch(new Request(input, init)),
      ),
    }),
  });
  const [basic, pro, yearly] = await createPrices(client);
  const database = new DatabaseSync(":memory:");
  onTestFinished(() => database.close());
  const auth = betterAuth({
    baseURL: APP,
    secret: "a secret of the tests that is long enough for better-auth",
    database,
    emailAndPassword: { enabled: true },
    telemetry: { enabled: false },
    logger: { level: "warn", log: (level, message, ...more) => complaints.push([level, message, ...more].join(" ")) },
    plugins: [
      stripe({
        stripeClient: client,
        stripeWebhookSecret: SECRET,
        createCustomerOnSignUp: true,
        subscription: {
          enabled: true,
          plans: [
            { name: "basic", priceId: basic, annualDiscountPriceId: yearly },
            { name: "pro", lookupKey: "pro_monthly", priceId: pro },
            { name: "trial", priceId: basic, freeTrial: { days: 14 } },
          ],
        },
      }),
    ],
  });
  await (await getMigrations(auth.options)).runMigrations();
  // It warns of the tables that it is about to make.
  complaints.length = 0;

  const ask = (method: string, path: string, headers: Record<string, string>, body?: object) =>
    auth.handler(
      new Request(`${APP}/api/auth${path}`, {
        method,
        headers: { origin: APP, "content-type": "application/json", ...headers },
        ...(body && { body: JSON.stringify(body) }),
      }),
    );
  return {
    emulator,
    stripeUrl: url.origin,
    stripe: client,
    complaints,
    ignored,
    async signUp(email) {
      const response = await ask("POST", "/sign-up/email", {}, { email, password: "correct horse", name: "Ada" });
      expect(response.status).toBe(200);
      return response.headers
        .getSetCookie()
        .map((cookie) => cookie.split(";", 1)[0])
        .join("; ");
    },
    async call(cookie, method, path, body) {
      const response = await ask(method, path, { cookie }, body);
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    },
    visit: (cookie, link) => auth.handler(new Request(link, { headers: { cookie } })),
    row(table) {
      const rows = database.prepare(`select * from "${table}"`).all() as Row[];
      expect(rows).toHaveLength(1);
      return withTimes(rows[0] ?? {});
    },
  };
}

async function serve(options: EmulatorOptions, port: number): Promise<Emulator> {
  const served = await serveEmulator({ ...options, port });
  onTestFinished(() => served.close());
  return served;
}

async function createPrices(client: Stripe): Promise<[basic: string, pro: string, yearly: string]> {
  const [basic, pro] = [await client.products.create({ name: "Basic" }), await client.products.create({ name: "Pro" })];
  const price = async (product: Stripe.Product, amount: number, interval: "month" | "year", lookupKey: string) => {
    const { id } = await client.prices.create({
      product: product.id,
      unit_amount: amount,
      currency: "usd",
      recurring: { interval },
      lookup_key: lookupKey,
    });
    return id;
  };
  return [
    await price(basic, 900, "month", "basic_monthly"),
    await price(pro, 2_900, "month", "pro_monthly"),
    await price(basic, 9_000, "year", "basic_yearly"),
  ];
}

function withTimes(row: Row): Row {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name,
      typeof value === "string" && /^\d{4}-\d\d-\d\dT/.test(value) ? Date.parse(value) : value,
    ]),
  );
}
