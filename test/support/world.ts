/** A whole world in one process: the service and the emulator on one virtual clock, with no socket between them. */
import { createHmac } from "node:crypto";
import { expect, onTestFinished } from "vitest";
import { createEmulator, type Emulator } from "../../packages/emulator/src/index.ts";
import type { Tollkeeper, TollkeeperOptions } from "../../packages/tollkeeper/src/index.ts";
import { openStore } from "../../packages/tollkeeper/src/store/open-store.ts";
import { compose } from "../../packages/tollkeeper/src/tollkeeper.ts";
import { UnauthenticatedError } from "../../packages/tollkeeper/src/errors.ts";
import { diffCatalog } from "../../packages/tollkeeper/src/domain/catalog.ts";
import { createStripeGateway, type StripeGateway } from "../../packages/tollkeeper/src/stripe/gateway/gateway.ts";
import { pushPlans } from "../../packages/tollkeeper/src/actions/push-plans.ts";
import { PLANS } from "./plans.ts";
import { freshDatabase, type DialectName } from "./databases.ts";

export { PLANS } from "./plans.ts";
export const START = Date.UTC(2026, 0, 31, 12);
export const DAY = 86_400;
export const WEBHOOK_SECRET = "whsec_test_secret_1";
const STRIPE = "http://stripe.test";
const SERVICE = "http://app.test";

/** What Stripe would send as `Stripe-Signature` at this time. */
export function signatureOf(body: string, now: number, { secret = WEBHOOK_SECRET, scheme = "v1" } = {}): string {
  const at = Math.floor(now / 1000);
  return `t=${at},${scheme}=${createHmac("sha256", secret).update(`${at}.${body}`).digest("hex")}`;
}

export interface LogLine {
  level: "debug" | "info" | "warn" | "error";
  fields: object;
  message: string;
}

export interface World {
  emulator: Emulator;
  service: Tollkeeper;
  gateway: StripeGateway;
  log: LogLine[];
  databaseUrl: string;
  /** Another replica on the same database and the same Stripe. */
  replica(options?: Partial<TollkeeperOptions>): Tollkeeper;
  /** Calls a route as a user (by id; null is nobody). */
  call(user: string | null, method: "GET" | "POST", path: string, body?: unknown): Promise<Answer>;
  /** Calls the emulator's API as a developer would. */
  stripe(method: "GET" | "POST" | "DELETE", path: string, params?: Record<string, string>): Promise<Answer>;
  /** Delivers and works off everything due now. */
  settle(): Promise<void>;
  /** Moves the clock, with all that is due on the way. */
  advance(seconds: number): Promise<void>;
  /** Buys through checkout with a test card; what that causes waits to be delivered. */
  buy(user: string, plan?: string, card?: string): Promise<Answer>;
  /** Buys, and lets all settle. */
  subscribe(user: string, plan?: string, card?: string): Promise<Answer>;
  features(user: string): Promise<string[]>;
}

export interface Answer {
  status: number;
  body: Record<string, unknown>;
}

export interface WorldOptions {
  dialect?: DialectName;
  options?: Partial<TollkeeperOptions>;
  /** Stands between the service and Stripe. */
  network?: (request: Request, next: (request: Request) => Promise<Response>) => Promise<Response>;
  /** Stands between Stripe's webhooks and the service. */
  deliver?: (request: Request, next: (request: Request) => Promise<Response>) => Promise<Response>;
  /** Opens the store. */
  open?: typeof openStore;
  /** With more lanes waiting than this, renewals are read by the page. */
  catchUpAbove?: number;
  payload?: "snapshot" | "thin";
  pushPlans?: boolean;
}

export async function createWorld(setup: WorldOptions = {}): Promise<World> {
  const log: LogLine[] = [];
  const databaseUrl = await freshDatabase(setup.dialect ?? "sqlite");
  let service: Tollkeeper;
  const deliver = setup.deliver ?? ((request, next) => next(request));
  const emulator = createEmulator({
    seed: 7,
    startAt: START,
    wallNow: () => emulator.now(),
    baseUrl: STRIPE,
    checkAnswers: true,
    webhooks: [{ url: `${SERVICE}/stripe/webhook`, secret: WEBHOOK_SECRET, payload: setup.payload }],
    fetch: (request) => deliver(request, (passed) => service.fetch(passed)),
  });
  onTestFinished(() => expect(emulator.audit()).toEqual([]));
  const network = setup.network ?? ((request, next) => next(request));
  const towardsStripe: typeof fetch = (input, init) => network(new Request(input, init), emulator.fetch);
  let ids = 0;
  const build = (more: Partial<TollkeeperOptions> = {}): Tollkeeper => {
    const given: TollkeeperOptions = {
      plans: PLANS,
      stripeSecretKey: "sk_test_123",
      stripePublishableKey: "pk_test_123",
      stripeWebhookSecrets: [WEBHOOK_SECRET],
      stripeApiBase: STRIPE,
      stripeNetworkRetries: 0,
      // Here time stands still, and with it what a budget would give.
      stripeRequestsPerSecond: 10_000,
      databaseUrl,
      appUrl: SERVICE,
      authenticate: testSignIn,
      runWorker: false,
      fetch: towardsStripe,
      log: recorder(log),
      runtime: {
        now: () => emulator.now(),
        billingNow: () => emulator.now(),
        random: () => 0.5,
        newId: () => `id${String(++ids).padStart(6, "0")}`,
      },
      ...setup.options,
      ...more,
    };
    const built = compose(given, setup.open ?? openStore, { above: setup.catchUpAbove });
    onTestFinished(() => built.stop());
    return built;
  };
  service = build();
  await service.start();
  const gateway = createStripeGateway({
    secretKey: "sk_test_123",
    mode: "test",
    userIdKey: "auth0_user_id",
    apiBase: STRIPE,
    fetch: (input, init) => emulator.fetch(new Request(input, init)),
    networkRetries: 0,
    version: "test",
    now: () => emulator.now(),
  });
  if (setup.pushPlans !== false)
    await pushPlans(gateway, diffCatalog(setup.options?.plans ?? PLANS, [], []), {
      newId: () => `push${String(++ids)}`,
      now: () => emulator.now(),
    });

  const settle = async (): Promise<void> => {
    await emulator.settle();
    await service.settle();
  };
  const call: World["call"] = async (user, method, path, body) => {
    const headers = new Headers({ ...(user !== null && { authorization: `Bearer ${user}` }) });
    if (method === "POST") headers.set("content-type", "application/json");
    const response = await service.fetch(
      new Request(`${SERVICE}/stripe/${path}`, {
        method,
        headers,
        ...(method === "POST" && { body: JSON.stringify(body ?? {}) }),
      }),
    );
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const stripe: World["stripe"] = async (method, path, params = {}) => {
    const form = new URLSearchParams(params);
    const query = method === "GET" && form.size > 0 ? `?${form.toString()}` : "";
    const response = await emulator.fetch(
      new Request(`${STRIPE}${path}${query}`, {
        method,
        headers: { authorization: "Bearer sk_test_123", "content-type": "application/x-www-form-urlencoded" },
        ...(method !== "GET" && { body: form.toString() }),
      }),
    );
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const buy: World["buy"] = async (user, plan = "premium", card = "pm_card_visa") => {
    const opened = await call(user, "POST", "create-checkout-session", { plan, interval: "month" });
    if (opened.status !== 200) return opened;
    return stripe("POST", `/v1/payment_pages/${String(opened.body["sessionId"])}/confirm`, { payment_method: card });
  };
  return {
    emulator,
    service,
    gateway,
    log,
    databaseUrl,
    replica: build,
    call,
    stripe,
    settle,
    async advance(seconds) {
      await emulator.advance(seconds);
      await service.settle();
    },
    buy,
    async subscribe(user, plan, card) {
      const answer = await buy(user, plan, card);
      await settle();
      return answer;
    },
    async features(user) {
      const { body } = await call(user, "GET", "entitlements");
      return (body["entitlements"] as { feature: string }[]).map(({ feature }) => feature);
    },
  };
}

function testSignIn(request: Request): { id: string; email: string; name: null } | null {
  const header = request.headers.get("authorization");
  if (header === null) return null;
  const id = header.replace("Bearer ", "");
  if (id === "wrong") throw new UnauthenticatedError("The token is not valid here.");
  return { id, email: `${id}@example.com`, name: null };
}

function recorder(log: LogLine[]) {
  const at = (level: LogLine["level"]) => (fields: object, message: string) =>
    void log.push({ level, fields, message });
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}
