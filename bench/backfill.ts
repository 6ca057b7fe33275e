/**
 * How fast an existing account is filled in, and how fast a mirror that is true is looked through: Stripe's answers take
 * 300 ms, the budget is the 25 requests a second that Stripe takes on one endpoint. Part of `npm run bench`.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { createTollkeeper, type Tollkeeper } from "../packages/tollkeeper/src/index.ts";
import { benchOptions } from "./account.ts";
import { countRequests } from "./requests.ts";
import { onBothStores } from "./stores.ts";

const SUBSCRIPTIONS = 20_000;
const ANSWER_MS = 300;
const REQUESTS_PER_SECOND = 25;
const PORT = 12_831;
const STRIPE = `http://127.0.0.1:${PORT}`;

/** What must hold of an account that is filled in, on a machine that does nothing else. */
const LEAST_SUBSCRIPTIONS_PER_SECOND = 2_000;

const requests = countRequests(() => performance.now());
const problems: string[] = [];

const noting: typeof fetch = (input, init) => {
  requests.note();
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

/** Answers how many subscriptions were read a second. */
async function sweep(name: string, tollkeeper: Tollkeeper): Promise<number> {
  requests.forget();
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
  const rate = (step: string, count: number): number =>
    Math.round((count * 1_000) / ((ended[step] ?? 0) - (began[step] ?? 0)));
  const { customers = 0, subscriptions = 0 } = report?.swept ?? {};
  const perSecond = rate("subscriptions", subscriptions);
  const most = requests.mostInASecond();
  console.log(
    `${name.padEnd(46)} ${rate("customers", customers)} customers/s, ${perSecond} subscriptions/s, ` +
      `${report?.differences ?? 0} differences, at most ${most} requests in a second`,
  );
  if (most > REQUESTS_PER_SECOND) problems.push(`${name}: ${most} requests in one second`);
  return perSecond;
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
    const filled = await sweep(`${SUBSCRIPTIONS} filled in, ${store}`, tollkeeper);
    if (filled < LEAST_SUBSCRIPTIONS_PER_SECOND)
      problems.push(`${store}: less than ${LEAST_SUBSCRIPTIONS_PER_SECOND} subscriptions were filled in a second`);
    await sweep(`the same looked through, ${store}`, tollkeeper);
    await tollkeeper.stop();
  });
} finally {
  account.kill();
}
for (const problem of problems) console.error(problem);
process.exit(problems.length > 0 ? 1 : 0);
