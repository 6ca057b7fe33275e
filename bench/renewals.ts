/**
 * The 1st of the month: 10,000 renewals, 50,000 webhooks within a minute, and a Stripe that answers 100 requests a second.
 * How fast each webhook is answered, how many requests its events cost, and how long the mirror lags behind, on SQLite and
 * on PostgreSQL. Stripe and the service are processes of their own. Part of `npm run load`.
 */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createTollkeeper } from "../packages/tollkeeper/src/index.ts";
import { BENCH_METRICS_TOKEN, benchOptions } from "./account.ts";
import type { FromStripe } from "./renewals-stripe.ts";
import { onBothStores } from "./stores.ts";

const SUBSCRIPTIONS = Number(process.env["BENCH_SUBSCRIPTIONS"] ?? 10_000);
const STRIPE_PORT = 12_841;
const SERVICE_PORT = 12_842;
const STRIPE = `http://127.0.0.1:${STRIPE_PORT}`;
const SERVICE = `http://127.0.0.1:${SERVICE_PORT}`;
/** The service's budget in live mode. */
const REQUESTS_PER_SECOND = 80;
/** Its metrics are asked for more often than anybody does, and cost it something each time. */
const LOOK_EVERY_MS = 2_000;
const TELL_EVERY_LOOKS = 8;
const CAUGHT_UP_SECONDS = 2;
const DRAIN_LIMIT_MS = 15 * 60_000;

const children: ChildProcess[] = [];
/** Stripe makes much garbage beside much that it keeps, and shares the cores with what is measured. */
const STRIPE_MEMORY = ["--max-semi-space-size=64"];

function start(execArgv: string[], file: string, ...args: string[]): ChildProcess {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), args, {
    execArgv,
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  children.push(child);
  return child;
}

async function told<Kind extends FromStripe["kind"]>(
  stripe: ChildProcess,
  kind: Kind,
): Promise<Extract<FromStripe, { kind: Kind }>> {
  const [message] = (await Promise.race([once(stripe, "message"), ended(stripe)])) as [FromStripe];
  if (message.kind !== kind) throw new Error(`expected "${kind}" of Stripe, and it told "${message.kind}"`);
  return message as Extract<FromStripe, { kind: Kind }>;
}

async function ended(child: ChildProcess): Promise<never> {
  const [code] = (await once(child, "exit")) as [number | null];
  throw new Error(`${child.spawnfile} ended with ${code}`);
}

interface Look {
  at: number;
  /** How long the oldest event waits, in seconds. */
  lag: number;
  pending: number;
  /** Retrieves that were done for an event. */
  worked: number;
  webhooks: number;
  requests: number;
  refused: number;
}

/** Reads the service's own metrics. */
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
    worked: sum("events_total", 'outcome="done"'),
    webhooks: sum("webhooks_total", 'outcome="accepted"'),
    requests: sum("stripe_requests_total"),
    refused: sum("stripe_requests_total", 'result="429"'),
  };
}

/** Looks again and again until all webhooks have come and the lag is small. */
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
    if (looks.length % TELL_EVERY_LOOKS === 0)
      console.error(
        `  after ${Math.round((now.at - startedAt) / 1_000)} s: ${now.webhooks} webhooks, lag ${Math.round(now.lag)} s`,
      );
    if (isOver && now.lag < CAUGHT_UP_SECONDS) return looks;
    if (now.at - startedAt > DRAIN_LIMIT_MS)
      throw new Error(`the lag is still ${now.lag} s after ${DRAIN_LIMIT_MS} ms`);
  }
}

const seconds = (ms: number): string => (ms / 1_000).toFixed(0);
/** What must hold on a machine that does nothing else. */
const MOST_P99_MS = 250;
const LEAST_COALESCED = 80;
const WEBHOOKS_OF_A_RENEWAL = 5;
/** In which they are sent, and a little for the last of them to be answered. */
const LONGEST_MS = 61_000;
/** After the last webhook, or after what was asked has been answered at the budget's pace, whichever is later. */
const LONGEST_LAG_MS = 20_000;

const problems: string[] = [];
const percentile = (values: number[], share: number): number =>
  values.toSorted((one, other) => one - other)[Math.floor(values.length * share)] ?? 0;

async function measure(name: string, databaseUrl: string): Promise<void> {
  const stripe = start(
    STRIPE_MEMORY,
    "renewals-stripe.ts",
    String(STRIPE_PORT),
    String(SUBSCRIPTIONS),
    `${SERVICE}/stripe/webhook`,
  );
  const { webhookSecret } = await told(stripe, "filled");
  const before = createTollkeeper({ ...benchOptions({ stripe: STRIPE, databaseUrl }), runWorker: false });
  await before.reconcile({ sweep: true, since: Date.now() });
  // The app has been told of all that was before.
  await before.settle();
  await before.stop();
  const service = start([], "renewals-service.ts", String(SERVICE_PORT), STRIPE, webhookSecret, databaseUrl);
  await once(service, "message");
  const startedAt = Date.now();
  stripe.send("play");
  const played = told(stripe, "played");
  const looks = await untilCaughtUp(played);
  const { answersMs, failed, endedAt } = await played;
  for (const child of [service, stripe]) {
    child.kill();
    await once(child, "exit");
  }
  report(name, { startedAt, endedAt, answersMs, failed, looks });
}

function report(
  name: string,
  run: { startedAt: number; endedAt: number; answersMs: number[]; failed: number; looks: Look[] },
): void {
  const { startedAt, endedAt, answersMs, failed, looks } = run;
  const last = looks.at(-1);
  if (!last) return;
  const coalesced = (100 * (last.webhooks - last.worked)) / last.webhooks;
  console.log(`${SUBSCRIPTIONS} renewals, ${name}`);
  console.log(
    `  ${answersMs.length} webhooks in ${seconds(endedAt - startedAt)} s, ${failed} not 2xx, ` +
      `median ${percentile(answersMs, 0.5).toFixed(1)} ms, p99 ${percentile(answersMs, 0.99).toFixed(1)} ms`,
  );
  console.log(
    `  ${last.worked} retrieves for ${last.webhooks} events: ${coalesced.toFixed(1)} % coalesced; ` +
      `${last.requests} requests to Stripe, ${last.refused} answered 429`,
  );
  const [least, asked] = [SUBSCRIPTIONS, last.requests].map((requests) => requests / REQUESTS_PER_SECOND);
  console.log(
    `  lag at most ${Math.max(...looks.map(({ lag }) => lag)).toFixed(0)} s, under ${CAUGHT_UP_SECONDS} s ` +
      `${seconds(last.at - startedAt)} s after the first webhook; at ${REQUESTS_PER_SECOND} requests a second one request ` +
      `a renewal takes ${least?.toFixed(0)} s, those that were asked ${asked?.toFixed(0)} s`,
  );
  const p99 = percentile(answersMs, 0.99);
  if (answersMs.length < SUBSCRIPTIONS * WEBHOOKS_OF_A_RENEWAL)
    problems.push(`${name}: ${answersMs.length} webhooks for ${SUBSCRIPTIONS} renewals`);
  if (endedAt - startedAt > LONGEST_MS) problems.push(`${name}: the webhooks took longer than a minute`);
  if (last.at > Math.max(endedAt, startedAt + (asked ?? 0) * 1_000) + LONGEST_LAG_MS)
    problems.push(`${name}: the mirror lagged for longer than the requests need`);
  if (failed > 0) problems.push(`${name}: ${failed} webhooks were not answered 2xx`);
  if (last.refused > 0) problems.push(`${name}: Stripe refused ${last.refused} requests as too many`);
  if (p99 > MOST_P99_MS) problems.push(`${name}: the slowest hundredth of webhooks took more than ${MOST_P99_MS} ms`);
  if (coalesced < LEAST_COALESCED)
    problems.push(`${name}: less than ${LEAST_COALESCED} % of the events needed no retrieve`);
}

try {
  await onBothStores(measure);
} finally {
  for (const child of children) child.kill();
}
for (const problem of problems) console.error(problem);
process.exit(problems.length > 0 ? 1 : 0);
