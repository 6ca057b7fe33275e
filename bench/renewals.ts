/**
 * Measures a day with many renewals, such as the first of a month: 10,000 renewals send 50,000 webhooks within a minute.
 * Stripe accepts 100 requests a second. Reports the latency of the webhook endpoint, the requests to Stripe, and the lag of the
 * mirror, on SQLite and on PostgreSQL. The emulated Stripe and the service are separate processes. Part of `npm run load`.
 */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createTollkeeper } from "../packages/tollkeeper/src/index.ts";
import { endProcess } from "../test/support/child-process.ts";
import { BENCH_METRICS_TOKEN, benchOptions } from "./account.ts";
import type { FromStripe } from "./renewals-stripe.ts";
import { figuresOf, percentile, writeResult, type Figure } from "./results.ts";
import { onBothStores } from "./stores.ts";

const SUBSCRIPTIONS = Number(process.env["BENCH_SUBSCRIPTIONS"] ?? 10_000);
const STRIPE_PORT = 12_841;
const SERVICE_PORT = 12_842;
const STRIPE = `http://127.0.0.1:${STRIPE_PORT}`;
const SERVICE = `http://127.0.0.1:${SERVICE_PORT}`;
/** Requests per second that the service may send to Stripe in live mode. */
const REQUESTS_PER_SECOND = 80;
/**
 * Milliseconds between two reads of the service's metrics. Each read of the metrics costs the service some time, and a
 * monitoring system reads metrics less often than this program.
 */
const LOOK_EVERY_MS = 2_000;
const REPORT_EVERY_LOOKS = 8;
const CAUGHT_UP_SECONDS = 2;
const DRAIN_LIMIT_MS = 15 * 60_000;

const children: ChildProcess[] = [];
/**
 * Node's option for a larger young generation of the heap. The emulator makes much garbage, and shares the cores with the
 * measured service.
 */
const STRIPE_MEMORY = ["--max-semi-space-size=64"];

function start(execArgv: string[], file: string, ...args: string[]): ChildProcess {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), args, {
    execArgv,
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  children.push(child);
  return child;
}

async function messageOf<Kind extends FromStripe["kind"]>(
  stripe: ChildProcess,
  kind: Kind,
): Promise<Extract<FromStripe, { kind: Kind }>> {
  const [message] = (await Promise.race([once(stripe, "message"), ended(stripe)])) as [FromStripe];
  if (message.kind !== kind) throw new Error(`Expected the message "${kind}", got "${message.kind}".`);
  return message as Extract<FromStripe, { kind: Kind }>;
}

async function ended(child: ChildProcess): Promise<never> {
  const [code] = (await once(child, "exit")) as [number | null];
  throw new Error(`${child.spawnfile} ended with ${code}`);
}

interface Look {
  at: number;
  /** The age of the oldest pending event, in seconds. */
  lag: number;
  pending: number;
  /** Number of events that needed a request to Stripe. */
  retrieved: number;
  webhooks: number;
  requests: number;
  rateLimited: number;
}

/** Reads the metrics of the service. */
async function look(): Promise<Look> {
  const headers = { authorization: `Bearer ${BENCH_METRICS_TOKEN}` };
  const text = await (await fetch(`${SERVICE}/stripe/metrics`, { headers })).text();
  const sum = (name: string, label = ""): number =>
    text
      .split("\n")
      .filter((line) => line.startsWith(`tollkeeper_${name}`) && line.includes(label))
      .reduce((total, line) => total + Number(line.split(" ").at(-1)), 0);
  return {
    at: Date.now(),
    lag: sum("inbox_oldest_seconds"),
    pending: sum("inbox_rows", 'state="pending"'),
    retrieved: sum("events_total", 'outcome="done"'),
    webhooks: sum("webhooks_total", 'outcome="accepted"'),
    requests: sum("stripe_requests_total"),
    rateLimited: sum("stripe_requests_total", 'result="429"'),
  };
}

/** Reads the metrics repeatedly until all webhooks have arrived and the lag of the mirror is small. */
async function untilCaughtUp(played: Promise<unknown>): Promise<Look[]> {
  const looks: Look[] = [];
  const startedAt = Date.now();
  let isOver = false;
  void played.finally(() => {
    isOver = true;
  });
  for (;;) {
    await sleep(LOOK_EVERY_MS);
    const now = await look();
    looks.push(now);
    if (looks.length % REPORT_EVERY_LOOKS === 0)
      console.error(
        `  after ${Math.round((now.at - startedAt) / 1_000)} s: ${now.webhooks} webhooks, lag ${Math.round(now.lag)} s`,
      );
    if (isOver && now.lag < CAUGHT_UP_SECONDS) return looks;
    if (now.at - startedAt > DRAIN_LIMIT_MS) throw new Error(`The lag is ${now.lag} s after ${DRAIN_LIMIT_MS} ms.`);
  }
}

/**
 * Largest p99 latency of the webhook endpoint, in milliseconds. All limits of this program apply to an otherwise idle machine.
 */
const MOST_P99_MS = 250;
const LEAST_COALESCED = 80;
const WEBHOOKS_OF_A_RENEWAL = 5;
/** Milliseconds within which all webhooks must get a response: a minute to send them, and some time for the last response. */
const LONGEST_MS = 61_000;
/**
 * Longest time in milliseconds until the mirror is up to date. The measured time starts when all webhooks have arrived and the
 * request limit has left enough time for all requests to Stripe.
 */
const LONGEST_LAG_MS = 20_000;

const problems: string[] = [];
const figures: Figure[] = [];

async function measure(name: string, databaseUrl: string): Promise<void> {
  const stripe = start(
    STRIPE_MEMORY,
    "renewals-stripe.ts",
    String(STRIPE_PORT),
    String(SUBSCRIPTIONS),
    `${SERVICE}/stripe/webhook`,
  );
  const { webhookSecret } = await messageOf(stripe, "filled");
  const before = createTollkeeper({ ...benchOptions({ stripe: STRIPE, databaseUrl }), runWorker: false });
  await before.reconcile({ sweep: true, since: Date.now() });
  // Runs the hooks that the first sweep caused before the measurement, so that the measurement contains only renewals.
  await before.drain();
  await before.stop();
  const service = start([], "renewals-service.ts", String(SERVICE_PORT), STRIPE, webhookSecret, databaseUrl);
  await once(service, "message");
  const startedAt = Date.now();
  stripe.send("play");
  const played = messageOf(stripe, "played");
  const looks = await untilCaughtUp(played);
  const { latenciesMs, failed, endedAt } = await played;
  for (const child of [service, stripe]) await endProcess(child, "SIGTERM");
  report(name, { startedAt, endedAt, latenciesMs, failed, looks });
}

interface Run {
  startedAt: number;
  endedAt: number;
  latenciesMs: number[];
  failed: number;
  looks: Look[];
}

function report(store: string, { startedAt, endedAt, latenciesMs, failed, looks }: Run): void {
  const last = looks.at(-1);
  if (!last) return;
  const p99 = percentile(latenciesMs, 0.99);
  const coalesced = (100 * (last.webhooks - last.retrieved)) / last.webhooks;
  const metrics = {
    webhooks: latenciesMs.length,
    "time to send them (s)": Math.round((endedAt - startedAt) / 1_000),
    "responses that are not 2xx": failed,
    "median latency (ms)": percentile(latenciesMs, 0.5),
    "p99 latency (ms)": p99,
    "events without a request to Stripe (%)": coalesced,
    "requests to Stripe": last.requests,
    "responses 429": last.rateLimited,
    "time of these requests at the budget (s)": Math.round(last.requests / REQUESTS_PER_SECOND),
    "largest lag (s)": Math.max(...looks.map(({ lag }) => Math.round(lag))),
    "time until the lag is small (s)": Math.round((last.at - startedAt) / 1_000),
  };
  console.log(`${SUBSCRIPTIONS} renewals on ${store}`);
  for (const [metric, value] of Object.entries(metrics)) console.log(`  ${metric}: ${Math.round(value * 10) / 10}`);
  figures.push(...figuresOf(`${SUBSCRIPTIONS.toLocaleString("en-US")} renewals`, metrics, store));

  const caughtUpBy = Math.max(endedAt, startedAt + (last.requests / REQUESTS_PER_SECOND) * 1_000) + LONGEST_LAG_MS;
  const limits: [boolean, string][] = [
    [latenciesMs.length < SUBSCRIPTIONS * WEBHOOKS_OF_A_RENEWAL, `only ${latenciesMs.length} webhooks were sent`],
    [endedAt - startedAt > LONGEST_MS, `the webhooks took longer than ${LONGEST_MS} ms`],
    [last.at > caughtUpBy, "the mirror lagged for longer than the requests need"],
    [failed > 0, `${failed} webhooks did not get a 2xx response`],
    [last.rateLimited > 0, `Stripe rejected ${last.rateLimited} requests with 429`],
    [p99 > MOST_P99_MS, `the p99 latency is over ${MOST_P99_MS} ms`],
    [coalesced < LEAST_COALESCED, `less than ${LEAST_COALESCED} % of the events needed no request`],
  ];
  for (const [isExceeded, problem] of limits) if (isExceeded) problems.push(`${store}: ${problem}`);
}

try {
  await onBothStores(measure);
} finally {
  for (const child of children) child.kill();
}
writeResult("renewals", figures);
for (const problem of problems) console.error(problem);
process.exit(problems.length > 0 ? 1 : 0);
