/**
 * A day of an account's renewals, played in a minute: a child of bench/renewals.ts,
 * `node bench/renewals-stripe.ts PORT COUNT WEBHOOK_URL`. Once it is told to play it answers as many requests a second as
 * Stripe does, and 429 to the rest.
 */
import { once } from "node:events";
import { Agent, request as post, type ClientRequest, type IncomingMessage } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { serve } from "@hono/node-server";
import { createEmulator } from "../packages/emulator/src/index.ts";
import { ALLOWED_WEBHOOK_EVENTS } from "../packages/tollkeeper/src/index.ts";
import { ask, fillAccount } from "./account.ts";

/** What it tells its parent. */
export type FromStripe =
  | { kind: "filled"; webhookSecret: string }
  | {
      kind: "played";
      endedAt: number;
      /** How long each webhook's answer took, in milliseconds. */
      answersMs: number[];
      /** Those that were not 2xx. */
      failed: number;
    };

const [port = "0", count = "0", webhookUrl = ""] = process.argv.slice(2);
const STRIPE = `http://127.0.0.1:${port}`;
const DAY = 86_400;
/** From the first renewal to the last payment, an hour after its renewal, with some slack. */
const PLAYED_SECONDS = DAY + 2 * 3_600;
const PLAYED_MS = 60_000;
const STEPS = 1_200;
/** Stripe's in live mode, in any second. */
const REQUESTS_PER_SECOND = 100;

/** Webhooks under way at once: more than a second's, since Stripe does not wait for one's answer before it sends the next. */
const WEBHOOKS_AT_ONCE = 1_000;

const answersMs: number[] = [];
let failed = 0;
const underWay = new Set<Promise<void>>();
const startAt = Date.now() - 32 * DAY * 1_000;
const emulator = createEmulator({
  startAt,
  baseUrl: STRIPE,
  fetch: async (request) => {
    while (underWay.size >= WEBHOOKS_AT_ONCE) await Promise.race(underWay);
    const sending: Promise<void> = send(request).finally(() => underWay.delete(sending));
    underWay.add(sending);
    return new Response(null);
  },
});

/** Leaner than fetch: Stripe shares the cores with what is measured. */
const agent = new Agent({ keepAlive: true });

/** Nothing is sent again: what is not 2xx is counted. */
async function send(request: Request): Promise<void> {
  const body = await request.text();
  const headers = { ...Object.fromEntries(request.headers), "content-length": Buffer.byteLength(body) };
  const sentAt = performance.now();
  const sending = post(request.url, { agent, method: request.method, headers });
  sending.end(body);
  const status = await statusOf(sending).catch(() => 0);
  answersMs.push(performance.now() - sentAt);
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

function refusal(): Response {
  const error = { type: "invalid_request_error", code: "rate_limit", message: "Request rate limit exceeded." };
  const headers = { "stripe-should-retry": "true", "stripe-rate-limited-reason": "global-rate" };
  return Response.json({ error }, { status: 429, headers });
}

/** Up to just before the first of them renews. */
async function untilRenewals(): Promise<void> {
  const { current_period_end: end } = await firstItem();
  await emulator.advance(end - Math.floor(emulator.now() / 1_000) - 60);
}

async function firstItem(): Promise<{ current_period_end: number }> {
  const created = { "created[lte]": String(Math.floor(startAt / 1_000) + 60) };
  const list = await ask(emulator, "GET", `/v1/subscriptions?${new URLSearchParams(created).toString()}`);
  const [first] = list["data"] as { items: { data: { current_period_end: number }[] } }[];
  const [item] = first?.items.data ?? [];
  if (!item) throw new Error("the account has no subscription of its first minute");
  return item;
}

async function play(): Promise<void> {
  const startedAt = Date.now();
  for (let step = 1; step <= STEPS; step += 1) {
    await emulator.advance(Math.round(PLAYED_SECONDS / STEPS));
    await sleep(Math.max(0, startedAt + (step * PLAYED_MS) / STEPS - Date.now()));
  }
  await Promise.all(underWay);
}

function tell(message: FromStripe): void {
  process.send?.(message);
}

await fillAccount(emulator, { subscriptions: Number(count), seconds: DAY });
await untilRenewals();
const enabled = Object.fromEntries(
  [...ALLOWED_WEBHOOK_EVENTS.keys()].map((type, at) => [`enabled_events[${at}]`, type]),
);
const endpoint = await ask(emulator, "POST", "/v1/webhook_endpoints", { url: webhookUrl, ...enabled });
serve({
  port: Number(port),
  hostname: "127.0.0.1",
  fetch: async (request) => (isLimited && isOverLimit() ? refusal() : emulator.fetch(request)),
});
tell({ kind: "filled", webhookSecret: String(endpoint["secret"]) });
await once(process, "message");
isLimited = true;
await play();
tell({ kind: "played", endedAt: Date.now(), answersMs, failed });
