/**
 * An endpoint that hears nothing for 4 days, and for 40: how long the next reconcile takes for 50,000 subscriptions at 20
 * requests a second, and that nothing differs after it. Stripe's answers take 300 ms. The time is virtual, so that only the
 * rate counts; the machine's own time is told beside it. Part of `npm run load`.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createEmulator } from "../packages/emulator/src/index.ts";
import { createTollkeeper } from "../packages/tollkeeper/src/index.ts";
import { ask, benchOptions, fillAccount, listAll } from "./account.ts";
import { countRequests } from "./requests.ts";
import { createVirtualClock } from "./virtual-clock.ts";

const SUBSCRIPTIONS = Number(process.env["BENCH_SUBSCRIPTIONS"] ?? 50_000);
const AWAY_DAYS = [4, 40];
const REQUESTS_PER_SECOND = 20;
const ANSWER_MS = 300;
const LIMIT_MS = 10 * 60_000;
const DAY_MS = 86_400_000;
const STRIPE = "http://stripe.bench";
/** Of the subscriptions, one in so many is ended by the dashboard meanwhile, and one is to end with its period. */
const ONE_IN = 100;

const emulator = createEmulator({ startAt: Date.UTC(2026, 0, 1), baseUrl: STRIPE });
await fillAccount(emulator, { subscriptions: SUBSCRIPTIONS, seconds: 28 * 86_400 });
const clock = createVirtualClock(emulator.now());
const requests = countRequests(clock.now);

const folder = mkdtempSync(join(tmpdir(), "tollkeeper-bench-"));
const file = join(folder, "away.sqlite");
const service = createTollkeeper({
  ...benchOptions({ stripe: STRIPE, databaseUrl: `file:${file}` }),
  stripeRequestsPerSecond: REQUESTS_PER_SECOND,
  runWorker: false,
  runtime: { now: clock.now, sleep: clock.sleep },
  fetch: async (input, init) => {
    requests.note();
    await clock.sleep(ANSWER_MS);
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

/** What people do in Stripe's dashboard; renewals come by themselves. */
async function changeSome(): Promise<void> {
  for (const [index, { id }] of (await listAll(emulator, "/v1/subscriptions", { status: "active" })).entries()) {
    if (index % ONE_IN === 0) await ask(emulator, "DELETE", `/v1/subscriptions/${id}`);
    if (index % ONE_IN === 1) await ask(emulator, "POST", `/v1/subscriptions/${id}`, { cancel_at_period_end: "true" });
  }
}

/** How many subscriptions the tables have otherwise than Stripe, read past the code that is measured. */
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
  machineMs: number;
  requests: number;
}

async function timed<T>(work: () => Promise<T>): Promise<[T, Took]> {
  const [asked, began, cpu] = [requests.count(), clock.now(), process.cpuUsage()];
  const result = await clock.during(work());
  const { user, system } = process.cpuUsage(cpu);
  return [
    result,
    { virtualMs: clock.now() - began, machineMs: (user + system) / 1_000, requests: requests.count() - asked },
  ];
}

const seconds = (ms: number): string => (ms / 1_000).toFixed(0);
const describe = ({ virtualMs, machineMs, requests: asked }: Took): string =>
  `${seconds(virtualMs)} s for ${asked} requests (at ${REQUESTS_PER_SECOND} a second they take ` +
  `${seconds((asked * 1_000) / REQUESTS_PER_SECOND)} s), ${seconds(machineMs)} s of the processor`;

let isGood = true;
try {
  const [, filled] = await timed(() => service.reconcile({ sweep: true, since: clock.now() + 1_000 }));
  console.log(`${SUBSCRIPTIONS} subscriptions filled in: ${describe(filled)}`);
  for (const days of AWAY_DAYS) {
    await changeSome();
    await emulator.advance((days * DAY_MS) / 1_000);
    clock.jump(days * DAY_MS);
    const [report, swept] = await timed(() => service.reconcile());
    const [, settled] = await timed(() => service.settle());
    const [after] = await timed(() => service.reconcile({ dryRun: true, sweep: true, since: clock.now() + 1_000 }));
    const { events, differences } = report ?? { events: { read: 0, missed: 0 }, differences: 0 };
    const left = after?.differences ?? -1;
    const different = await countDifferent();
    isGood &&= left === 0 && different === 0 && swept.virtualMs + settled.virtualMs < LIMIT_MS;
    console.log(
      `after ${days} days: ${events.missed} events missed, ${differences} differences repaired, ${left} left, ` +
        `${different} subscriptions otherwise than at Stripe\n  ${describe(swept)}\n` +
        `  hints that no list has answered: ${describe(settled)}`,
    );
  }
  const most = requests.mostInASecond();
  console.log(`at most ${most} requests in a second`);
  isGood &&= most <= REQUESTS_PER_SECOND;
} finally {
  await service.stop();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(isGood ? 0 : 1);
