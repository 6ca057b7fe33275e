/**
 * A test app with the library better-auth. The library stores users, sessions and subscriptions in SQLite. Each app in these
 * tests has a separate emulator of Stripe.
 */
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
  /** Creates a user. Returns the cookie. */
  signUp(email: string): Promise<string>;
  /** Calls better-auth as the signed-in user. */
  call(cookie: string, method: "GET" | "POST", path: string, body?: object): Promise<AuthResponse>;
  /** Opens a link to a Stripe page that redirects back to the app. */
  visit(cookie: string, url: string): Promise<Response>;
  /** Returns the only row of a better-auth table, with dates in milliseconds. */
  row(table: "user" | "subscription"): Row;
  /** The warnings and errors that better-auth logged. */
  warnings: string[];
  /** The request parameters that the emulator accepted but ignored. */
  ignored: string[];
}

export interface AuthResponse {
  status: number;
  body: Record<string, unknown>;
}

export type Row = Record<string, string | number | null>;

/**
 * If `served` is true, the SDK sends requests to the emulator over HTTP. If `served` is false, the SDK calls the emulator in
 * the same process.
 */
export async function createAuthApp({ webhook = true, served = false } = {}): Promise<AuthApp> {
  const warnings: string[] = [];
  const ignored: string[] = [];
  // The app and the emulator use the machine's clock, because better-auth accepts no other clock.
  const port = served ? await freePort() : 80;
  const url = new URL(served ? `http://127.0.0.1:${port}` : "http://stripe.test");
  const options: EmulatorOptions = {
    clock: "still",
    baseUrl: url.origin,
    checkResponses: true,
    webhooks: webhook ? [{ url: `${APP}/api/auth/stripe/webhook`, secret: SECRET }] : [],
    fetch: (request) => auth.handler(request),
    onWarning: (message) => message.startsWith("ignored") && ignored.push(message),
  };
  const emulator = served ? await serve(options, port) : createEmulator(options);
  onTestFinished(() => expect(emulator.audit()).toEqual([]));
  const client = createClient(url, port, served ? null : emulator);
  const database = new DatabaseSync(":memory:");
  onTestFinished(() => database.close());
  const auth = createAuth({ client, database, prices: await createPrices(client), warnings });
  await (await getMigrations(auth.options)).runMigrations();
  // The migration of better-auth logs a warning for each table that it creates.
  warnings.length = 0;
  return {
    emulator,
    stripeUrl: url.origin,
    stripe: client,
    warnings,
    ignored,
    ...createUserCalls((request) => auth.handler(request)),
    row(table) {
      const rows = database.prepare(`select * from "${table}"`).all() as Row[];
      expect(rows).toHaveLength(1);
      return withTimes(rows[0] ?? {});
    },
  };
}

/** Creates a client of Stripe's SDK. If an emulator is given, the client calls the emulator in the same process. */
function createClient(url: URL, port: number, emulator: Emulator | null): Stripe {
  return new Stripe("sk_test_auth", {
    host: url.hostname,
    protocol: "http",
    port,
    maxNetworkRetries: 0,
    ...(emulator && {
      httpClient: Stripe.createFetchHttpClient((input: RequestInfo | URL, init?: RequestInit) =>
        emulator.fetch(new Request(input, init)),
      ),
    }),
  });
}

interface AuthOptions {
  client: Stripe;
  database: DatabaseSync;
  prices: Prices;
  warnings: string[];
}

function createAuth({ client, database, prices: [basic, pro, yearly], warnings }: AuthOptions) {
  return betterAuth({
    baseURL: APP,
    secret: "a secret of the tests that is long enough for better-auth",
    database,
    emailAndPassword: { enabled: true },
    telemetry: { enabled: false },
    logger: { level: "warn", log: (level, message, ...more) => warnings.push([level, message, ...more].join(" ")) },
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
}

function createUserCalls(handler: (request: Request) => Promise<Response>): Pick<AuthApp, "signUp" | "call" | "visit"> {
  const send = (method: string, path: string, headers: Record<string, string>, body?: object) =>
    handler(
      new Request(`${APP}/api/auth${path}`, {
        method,
        headers: { origin: APP, "content-type": "application/json", ...headers },
        ...(body && { body: JSON.stringify(body) }),
      }),
    );
  return {
    async signUp(email) {
      const response = await send("POST", "/sign-up/email", {}, { email, password: "correct horse", name: "Ada" });
      expect(response.status).toBe(200);
      return response.headers
        .getSetCookie()
        .map((cookie) => cookie.split(";", 1)[0])
        .join("; ");
    },
    async call(cookie, method, path, body) {
      const response = await send(method, path, { cookie }, body);
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    },
    visit: (cookie, link) => handler(new Request(link, { headers: { cookie } })),
  };
}

async function serve(options: EmulatorOptions, port: number): Promise<Emulator> {
  const served = await serveEmulator({ ...options, port });
  onTestFinished(() => served.close());
  return served;
}

type Prices = [basic: string, pro: string, yearly: string];

async function createPrices(client: Stripe): Promise<Prices> {
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
