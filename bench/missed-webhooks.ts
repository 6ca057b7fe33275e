/**
 * Measures a reconcile of 50,000 subscriptions after 4 and after 40 days without webhooks, at 20 requests a second. Fails if
 * the mirror differs from Stripe after the reconcile. The time is virtual and each response of Stripe takes 300 ms, so the
 * result depends only on the request rate. Part of `npm run load`.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createEmulator } from "../packages/emulator/src/index.ts";
import { createTollkeeper } from "../packages/tollkeeper/src/index.ts";
import { ask, benchOptions, fillAccount, listAll } from "./account.ts";
import { countRequests } from "./requests.ts";
import { figuresOf, writeResult, type Figure } from "./results.ts";
import { createVirtualClock } from "./virtual-clock.ts";

const SUBSCRIPTIONS = Number(process.env["BENCH_SUBSCRIPTIONS"] ?? 50_000);
const MISSED_DAYS = [4, 40];
const REQUESTS_PER_SECOND = 20;
const LATENCY_MS = 300;
const LIMIT_MS = 10 * 60_000;
const DAY_MS = 86_400_000;
const STRIPE = "http://stripe.bench";
/** Of each 100 subscriptions, one is canceled at once in the dashboard, and one at the end of its period. */
const ONE_IN = 100;

const emulator = createEmulator({ startAt: Date.UTC(2026, 0, 1), baseUrl: STRIPE });
await fillAccount(emulator, { subscriptions: SUBSCRIPTIONS, seconds: 28 * 86_400 });
const clock = createVirtualClock(emulator.now());
const requests = countRequests(clock.now);

const folder = mkdtempSync(join(tmpdir(), "tollkeeper-bench-"));
const file = join(folder, "bench.sqlite");
const service = createTollkeeper({
  ...benchOptions({ stripe: STRIPE, databaseUrl: `file:${file}` }),
  stripeRequestsPerSecond: REQUESTS_PER_SECOND,
  runWorker: false,
  runtime: { now: clock.now, sleep: clock.sleep },
  fetch: async (input, init) => {
    requests.record();
    await clock.sleep(LATENCY_MS);
    return emulator.fetch(new Request(input, init));
  },
});

interface Subscription {
  id: string;
  status: string;
  cancel_at_period_end: boolean;
  latest_invoice: string;
  items: { data: { current_period_end: number }[] };
}

/** Cancels some subscriptions, as people do in the dashboard. The emulator renews the subscriptions that were not canceled. */
async function changeSome(): Promise<void> {
  for (const [index, { id }] of (await listAll(emulator, "/v1/subscriptions", { status: "active" })).entries()) {
    if (index % ONE_IN === 0) await ask(emulator, "DELETE", `/v1/subscriptions/${id}`);
    if (index % ONE_IN === 1) await ask(emulator, "POST", `/v1/subscriptions/${id}`, { cancel_at_period_end: "true" });
  }
}

/**
 * Counts the subscriptions in the database that differ from Stripe. Reads the database's tables directly, without the code that
 * is measured.
 */
async function countDifferent(): Promise<number> {
  const database = new DatabaseSync(file, { readOnly: true });
  const rows = database.prepare(
    `select s.id, s.status, s.cancel_at_period_end, s.latest_invoice_id, i.current_period_end
      from subscriptions s join subscription_items i on i.mode = s.mode and i.subscription_id = s.id`,
  );
  const mirrored = new Map(rows.all().map(({ id, ...row }) => [id, Object.values(row).join()]));
  database.close();
  const subscriptions = await listAll<Subscription>(emulator, "/v1/subscriptions", { status: "all" });
  const different = subscriptions.filter((one) => {
    const [item] = one.items.data;
    const ends = (item?.current_period_end ?? 0) * 1_000;
    return mirrored.get(one.id) !== [one.status, Number(one.cancel_at_period_end), one.latest_invoice, ends].join();
  });
  return different.length + Math.abs(mirrored.size - subscriptions.length);
}

interface Took {
  virtualMs: number;
  cpuMs: number;
  requests: number;
}

async function timed<T>(work: () => Promise<T>): Promise<[T, Took]> {
  const [sent, startedAt, cpu] = [requests.count(), clock.now(), process.cpuUsage()];
  const result = await clock.during(work());
  const { user, system } = process.cpuUsage(cpu);
  return [
    result,
    { virtualMs: clock.now() - startedAt, cpuMs: (user + system) / 1_000, requests: requests.count() - sent },
  ];
}

function metricsOf({ virtualMs, cpuMs, requests: sent }: Took): Record<string, number> {
  return {
    requests: sent,
    "virtual time (s)": Math.round(virtualMs / 1_000),
    "least time at that request rate (s)": Math.round(sent / REQUESTS_PER_SECOND),
    "CPU time (s)": Math.round(cpuMs / 1_000),
  };
}

function report(subject: string, metrics: Record<string, number>): void {
  console.log(`${subject}: ${JSON.stringify(metrics)}`);
  figures.push(...figuresOf(subject, metrics, "SQLite"));
}

/**
 * Lets `days` days pass without webhooks, and then reconciles. Returns false if a limit is exceeded or the mirror differs from
 * Stripe.
 */
async function missWebhooks(days: number): Promise<boolean> {
  await changeSome();
  await emulator.advance((days * DAY_MS) / 1_000);
  clock.jump(days * DAY_MS);
  const [outcome, swept] = await timed(() => service.reconcile());
  const [, drained] = await timed(() => service.drain());
  const [after] = await timed(() => service.reconcile({ dryRun: true, sweep: true, since: clock.now() + 1_000 }));
  const { events, differences } = outcome ?? { events: { read: 0, missed: 0 }, differences: 0 };
  const left = after?.differences ?? -1;
  const different = await countDifferent();
  report(`reconcile after ${days} days`, {
    "missed events": events.missed,
    "repaired differences": differences,
    "remaining differences": left,
    "subscriptions that differ from Stripe": different,
    ...metricsOf(swept),
  });
  report(`remaining events after ${days} days`, metricsOf(drained));
  return left === 0 && different === 0 && swept.virtualMs + drained.virtualMs < LIMIT_MS;
}

const figures: Figure[] = [];
let isGood = true;
try {
  const [, filled] = await timed(() => service.reconcile({ sweep: true, since: clock.now() + 1_000 }));
  report(`first sweep of ${SUBSCRIPTIONS} subscriptions`, metricsOf(filled));
  for (const days of MISSED_DAYS) isGood = (await missWebhooks(days)) && isGood;
  const most = requests.mostInASecond();
  report("whole run", { "highest request rate (per second)": most });
  isGood &&= most <= REQUESTS_PER_SECOND;
  writeResult("missed-webhooks", figures);
} finally {
  await service.stop();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(isGood ? 0 : 1);
