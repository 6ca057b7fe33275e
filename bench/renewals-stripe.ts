/**
 * Plays a day of an account's renewals within a minute: `node bench/renewals-stripe.ts PORT COUNT WEBHOOK_URL`. This program
 * runs as a child process of bench/renewals.ts, which sends a message when the minute of renewals starts. After the start
 * message, requests over Stripe's rate limit get 429.
 */
import { once } from "node:events";
import { Agent, request as post, type ClientRequest, type IncomingMessage } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { serve } from "@hono/node-server";
import { createEmulator } from "../packages/emulator/src/index.ts";
import { ALLOWED_WEBHOOK_EVENTS } from "../packages/tollkeeper/src/index.ts";
import { ask, fillAccount } from "./account.ts";

/** The messages that this process sends to its parent process. */
export type FromStripe =
  | { kind: "filled"; webhookSecret: string }
  | {
      kind: "played";
      endedAt: number;
      /** Milliseconds from sending each webhook to its response. */
      latenciesMs: number[];
      /** The number of webhooks that got a response other than 2xx. */
      failed: number;
    };

const [port = "0", count = "0", webhookUrl = ""] = process.argv.slice(2);
const STRIPE = `http://127.0.0.1:${port}`;
const DAY = 86_400;
/**
 * Virtual seconds that this program plays. The played time begins at the first renewal and ends an hour after the last payment.
 * Each subscription is charged an hour after its renewal.
 */
const PLAYED_SECONDS = DAY + 2 * 3_600;
const PLAYED_MS = 60_000;
const STEPS = 1_200;
/** Number of requests that Stripe accepts in any window of one second in live mode. */
const REQUESTS_PER_SECOND = 100;

/**
 * Maximum number of webhooks in flight. More webhooks can be in flight than Stripe sends in a second, because Stripe does not
 * wait for a response before it sends the next webhook.
 */
const WEBHOOKS_AT_ONCE = 1_000;

const latenciesMs: number[] = [];
let failed = 0;
const inFlight = new Set<Promise<void>>();
const startAt = Date.now() - 32 * DAY * 1_000;
const emulator = createEmulator({
  startAt,
  baseUrl: STRIPE,
  fetch: async (request) => {
    while (inFlight.size >= WEBHOOKS_AT_ONCE) await Promise.race(inFlight);
    const sending: Promise<void> = send(request).finally(() => inFlight.delete(sending));
    inFlight.add(sending);
    return new Response(null);
  },
});

/**
 * Node's HTTP client needs less processor time than fetch. The emulated Stripe should need little processor time, because it
 * shares the cores with the measured service.
 */
const agent = new Agent({ keepAlive: true });

/** Sends a webhook once, without retries. Counts the responses that are not 2xx. */
async function send(request: Request): Promise<void> {
  const body = await request.text();
  const headers = { ...Object.fromEntries(request.headers), "content-length": Buffer.byteLength(body) };
  const sentAt = performance.now();
  const sending = post(request.url, { agent, method: request.method, headers });
  sending.end(body);
  const status = await statusOf(sending).catch(() => 0);
  latenciesMs.push(performance.now() - sentAt);
  if (status < 200 || status >= 300) failed += 1;
}

async function statusOf(sending: ClientRequest): Promise<number> {
  const [response] = (await once(sending, "response")) as [IncomingMessage];
  await once(response.resume(), "end");
  return response.statusCode ?? 0;
}

let isLimited = false;
let recent: number[] = [];

function isOverLimit(): boolean {
  const now = performance.now();
  recent = recent.filter((at) => at > now - 1_000);
  if (recent.length >= REQUESTS_PER_SECOND) return true;
  recent.push(now);
  return false;
}

function rateLimited(): Response {
  const error = { type: "invalid_request_error", code: "rate_limit", message: "Request rate limit exceeded." };
  const headers = { "stripe-should-retry": "true", "stripe-rate-limited-reason": "global-rate" };
  return Response.json({ error }, { status: 429, headers });
}

/** Moves the emulator's clock to the minute before the first renewal. */
async function advanceToRenewals(): Promise<void> {
  const { current_period_end: end } = await firstItem();
  await emulator.advance(end - Math.floor(emulator.now() / 1_000) - 60);
}

async function firstItem(): Promise<{ current_period_end: number }> {
  const created = { "created[lte]": String(Math.floor(startAt / 1_000) + 60) };
  const list = await ask(emulator, "GET", `/v1/subscriptions?${new URLSearchParams(created).toString()}`);
  const [first] = list["data"] as { items: { data: { current_period_end: number }[] } }[];
  const [item] = first?.items.data ?? [];
  if (!item) throw new Error("The account has no subscription from its first minute.");
  return item;
}

async function play(): Promise<void> {
  const startedAt = Date.now();
  for (let step = 1; step <= STEPS; step += 1) {
    await emulator.advance(Math.round(PLAYED_SECONDS / STEPS));
    await sleep(Math.max(0, startedAt + (step * PLAYED_MS) / STEPS - Date.now()));
  }
  await Promise.all(inFlight);
}

function report(message: FromStripe): void {
  process.send?.(message);
}

await fillAccount(emulator, { subscriptions: Number(count), seconds: DAY });
await advanceToRenewals();
const enabled = Object.fromEntries(
  [...ALLOWED_WEBHOOK_EVENTS.keys()].map((type, at) => [`enabled_events[${at}]`, type]),
);
const endpoint = await ask(emulator, "POST", "/v1/webhook_endpoints", { url: webhookUrl, ...enabled });
serve({
  port: Number(port),
  hostname: "127.0.0.1",
  fetch: async (request) => (isLimited && isOverLimit() ? rateLimited() : emulator.fetch(request)),
});
report({ kind: "filled", webhookSecret: String(endpoint["secret"]) });
await once(process, "message");
isLimited = true;
await play();
report({ kind: "played", endedAt: Date.now(), latenciesMs, failed });
