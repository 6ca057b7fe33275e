/**
 * How fast an existing account is filled in, and how fast a mirror that is true is looked through: Stripe's answers take
 * 300 ms, the budget is the 25 requests a second that Stripe takes on one endpoint. Part of `npm run bench`.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { createTollkeeper, type Tollkeeper } from "../src/index.ts";
import { benchOptions } from "./account.ts";
import { onBothStores } from "./stores.ts";

const SUBSCRIPTIONS = 20_000;
const ANSWER_MS = 300;
const REQUESTS_PER_SECOND = 25;
const PORT = 12_831;
const STRIPE = `http://127.0.0.1:${PORT}`;

const sent: number[] = [];

/** Notes when each request was sent. */
const noting: typeof fetch = (input, init) => {
  sent.push(performance.now());
  return fetch(input, init);
};

function service(databaseUrl: string): Tollkeeper {
  return createTollkeeper({
    ...benchOptions({ stripe: STRIPE, databaseUrl }),
    stripeRequestsPerSecond: REQUESTS_PER_SECOND,
    runWorker: false,
    fetch: noting,
  });
}

/** The most requests that were sent within any second. */
function mostInASecond(): number {
  let most = 0;
  for (let first = 0, last = 0; last < sent.length; last += 1) {
    while ((sent[last] ?? 0) - (sent[first] ?? 0) > 1_000) first += 1;
    most = Math.max(most, last - first + 1);
  }
  return most;
}

async function sweep(name: string, tollkeeper: Tollkeeper): Promise<void> {
  sent.length = 0;
  const began: Record<string, number> = {};
  const ended: Record<string, number> = {};
  let before = performance.now();
  const report = await tollkeeper.reconcile({
    sweep: true,
    since: Date.now() + 1_000,
    onProgress: ({ step }) => {
      began[step] ??= before;
      ended[step] = before = performance.now();
    },
  });
  const rate = (step: string, count: number): string =>
    `${Math.round((count * 1_000) / ((ended[step] ?? 0) - (began[step] ?? 0)))} ${step}/s`;
  const { customers = 0, subscriptions = 0 } = report?.swept ?? {};
  console.log(
    `${name.padEnd(46)} ${rate("customers", customers)}, ${rate("subscriptions", subscriptions)}, ` +
      `${report?.differences ?? 0} differences, at most ${mostInASecond()} requests in a second`,
  );
}

const account = fork(fileURLToPath(new URL("backfill-stripe.ts", import.meta.url)), [
  String(PORT),
  String(SUBSCRIPTIONS),
  String(ANSWER_MS),
]);
await once(account, "message");
try {
  await onBothStores(async (store, url) => {
    const tollkeeper = service(url);
    await sweep(`${SUBSCRIPTIONS} filled in, ${store}`, tollkeeper);
    await sweep(`the same looked through, ${store}`, tollkeeper);
    await tollkeeper.stop();
  });
} finally {
  account.kill();
}
process.exit(0);
