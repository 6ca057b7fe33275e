/**
 * Measures the first sweep of an existing account, and a second sweep that finds no differences. Each response of the
 * emulated Stripe takes 300 ms. The service may send 25 requests a second, Stripe's limit for one endpoint. Part of `npm run
 * bench`.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { createTollkeeper, type Tollkeeper } from "../packages/tollkeeper/src/index.ts";
import { benchOptions } from "./account.ts";
import { countRequests } from "./requests.ts";
import { figuresOf, writeResult, type Figure } from "./results.ts";
import { onBothStores } from "./stores.ts";

const SUBSCRIPTIONS = 20_000;
const LATENCY_MS = 300;
const REQUESTS_PER_SECOND = 25;
const PORT = 12_831;
const STRIPE = `http://127.0.0.1:${PORT}`;

/** Minimum number of subscriptions that the first sweep must read per second on an otherwise idle machine. */
const LEAST_SUBSCRIPTIONS_PER_SECOND = 2_000;

const requests = countRequests(() => performance.now());
const problems: string[] = [];
const figures: Figure[] = [];

const countedFetch: typeof fetch = (input, init) => {
  requests.record();
  return fetch(input, init);
};

function service(databaseUrl: string): Tollkeeper {
  return createTollkeeper({
    ...benchOptions({ stripe: STRIPE, databaseUrl }),
    stripeRequestsPerSecond: REQUESTS_PER_SECOND,
    runWorker: false,
    fetch: countedFetch,
  });
}

/** Runs one sweep. Returns the number of subscriptions that the sweep read per second. */
async function sweep(subject: string, store: string, tollkeeper: Tollkeeper): Promise<number> {
  requests.reset();
  const startedAt: Record<string, number> = {};
  const endedAt: Record<string, number> = {};
  let before = performance.now();
  const report = await tollkeeper.reconcile({
    sweep: true,
    since: Date.now() + 1_000,
    onProgress: ({ step }) => {
      startedAt[step] ??= before;
      endedAt[step] = before = performance.now();
    },
  });
  const rate = (step: string, count: number): number =>
    Math.round((count * 1_000) / ((endedAt[step] ?? 0) - (startedAt[step] ?? 0)));
  const { customers = 0, subscriptions = 0 } = report?.swept ?? {};
  const perSecond = rate("subscriptions", subscriptions);
  const most = requests.mostInASecond();
  const customersPerSecond = rate("customers", customers);
  const differences = report?.differences ?? 0;
  console.log(
    `${`${subject}, ${store}`.padEnd(46)} ${customersPerSecond} customers/s, ${perSecond} subscriptions/s, ` +
      `${differences} differences, at most ${most} requests in a second`,
  );
  figures.push(
    ...figuresOf(
      subject,
      {
        "customers (per second)": customersPerSecond,
        "subscriptions (per second)": perSecond,
        differences,
        "highest request rate (per second)": most,
      },
      store,
    ),
  );
  if (most > REQUESTS_PER_SECOND) problems.push(`${subject}, ${store}: ${most} requests in one second`);
  return perSecond;
}

const account = fork(fileURLToPath(new URL("backfill-stripe.ts", import.meta.url)), [
  String(PORT),
  String(SUBSCRIPTIONS),
  String(LATENCY_MS),
]);
await once(account, "message");
try {
  await onBothStores(async (store, url) => {
    const tollkeeper = service(url);
    const perSecond = await sweep("first sweep", store, tollkeeper);
    if (perSecond < LEAST_SUBSCRIPTIONS_PER_SECOND)
      problems.push(
        `${store}: the first sweep read less than ${LEAST_SUBSCRIPTIONS_PER_SECOND} subscriptions a second`,
      );
    await sweep("second sweep", store, tollkeeper);
    await tollkeeper.stop();
  });
} finally {
  account.kill();
}
writeResult("backfill", figures);
for (const problem of problems) console.error(problem);
process.exit(problems.length > 0 ? 1 : 0);
