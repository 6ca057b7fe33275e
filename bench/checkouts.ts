/**
 * Lets 1,000 users each click "subscribe" fifty times at once, on four replicas with one PostgreSQL. Fails if a response is
 * neither 200 nor retryable, or if a user does not end with one customer and one live subscription. Part of `npm run load`.
 */
import { createEmulator } from "../packages/emulator/src/index.ts";
import { createTollkeeper, type Tollkeeper } from "../packages/tollkeeper/src/index.ts";
import { startPostgres } from "../test/support/postgres.ts";
import { figuresOf, percentile, writeResult } from "./results.ts";
import { ask, benchOptions, listAll, sellPremium } from "./account.ts";

const USERS = Number(process.env["BENCH_USERS"] ?? 1_000);
const CLICKS = 50;
const REPLICAS = 4;
/** Number of users that click "subscribe" at the same time. */
const USERS_AT_ONCE = 8;
const REPORT_EVERY_MS = 10_000;
const RETRYABLE = ", retryable";
const STRIPE = "http://stripe.bench";

let requests = 0;
const emulator = createEmulator({ baseUrl: STRIPE });
const postgres = await startPostgres();
const replicas = Array.from({ length: REPLICAS }, () => replica(postgres.url));

function replica(databaseUrl: string): Tollkeeper {
  return createTollkeeper({
    ...benchOptions({ stripe: STRIPE, databaseUrl }),
    stripeRequestsPerSecond: 10_000,
    authenticate: (request) => {
      const id = request.headers.get("authorization") ?? "";
      return { id, email: `${id}@example.com`, name: null };
    },
    // Retries of requests to Stripe are off, so that each checkout that a replica could not finish gets an error response.
    stripeNetworkRetries: 0,
    reconcileEveryMinutes: 1_440,
    fetch: (input, init) => {
      requests += 1;
      return emulator.fetch(new Request(input, init));
    },
  });
}

interface Click {
  /** The HTTP status of a response, followed by the error code if the response has one. */
  outcome: string;
  session: string | null;
  ms: number;
}

async function click(user: string, at: number): Promise<Click> {
  const startedAt = performance.now();
  const service = replicas[at];
  if (!service) throw new Error(`Replica ${at} does not exist.`);
  const response = await service.fetch(
    new Request("http://app.bench/stripe/create-checkout-session", {
      method: "POST",
      headers: { authorization: user, "content-type": "application/json" },
      body: JSON.stringify({ plan: "premium", interval: "month" }),
    }),
  );
  const body = (await response.json()) as { sessionId?: string; error?: { code: string } };
  const retryable = response.headers.has("retry-after") ? RETRYABLE : "";
  return {
    outcome: body.error ? `${response.status} ${body.error.code}${retryable}` : String(response.status),
    session: body.sessionId ?? null,
    ms: performance.now() - startedAt,
  };
}

/** Sends all checkout requests of a user at once, then pays the returned checkout sessions. */
async function buy(user: string): Promise<Click[]> {
  const clicks = await Promise.all(Array.from({ length: CLICKS }, (_, index) => click(user, index % REPLICAS)));
  const sessions = new Set(clicks.flatMap(({ session }) => session ?? []));
  for (const session of sessions) {
    const params = { payment_method: "pm_card_visa" };
    await ask(emulator, "POST", `/v1/payment_pages/${session}/confirm`, params).catch((error: unknown) => {
      problems.push(`${user}'s session ${session} could not be paid: ${String(error)}`);
    });
  }
  return clicks;
}

/** Counts how often each value of a list occurs, for example each billing owner. */
function countByOwner(owners: readonly unknown[]): Map<unknown, number> {
  const counts = new Map<unknown, number>();
  for (const owner of owners) counts.set(owner, (counts.get(owner) ?? 0) + 1);
  return counts;
}

async function clickAll(users: string[]): Promise<Click[]> {
  const clicks: Click[] = [];
  let reportedAt = performance.now();
  const takeTurns = async (): Promise<void> => {
    for (let user = users.pop(); user !== undefined; user = users.pop()) {
      clicks.push(...(await buy(user)));
      if (performance.now() - reportedAt < REPORT_EVERY_MS) continue;
      reportedAt = performance.now();
      console.error(`  ${USERS - users.length} of ${USERS} users have clicked`);
    }
  };
  await Promise.all(Array.from({ length: USERS_AT_ONCE }, takeTurns));
  return clicks;
}

/**
 * Checks that each user has one Stripe customer and one live subscription. Returns the number of users who do not have exactly
 * one customer and one live subscription.
 */
async function checkAccount(): Promise<Record<string, number>> {
  const customers = await listAll(emulator, "/v1/customers");
  const subscriptions = await listAll(emulator, "/v1/subscriptions");
  const userOf = new Map(
    customers.map(({ id, metadata }) => [id, (metadata as Record<string, string>)["auth0_user_id"]]),
  );
  const customersOf = countByOwner([...userOf.values()]);
  const subscriptionsOf = countByOwner(subscriptions.map(({ customer }) => userOf.get(String(customer))));
  const without = { customer: 0, subscription: 0 };
  for (let index = 0; index < USERS; index += 1) {
    const [made, bought] = [customersOf.get(`user${index}`) ?? 0, subscriptionsOf.get(`user${index}`) ?? 0];
    if (made !== 1) without.customer += 1;
    if (bought !== 1) without.subscription += 1;
    if (made !== 1 || bought !== 1) problems.push(`user${index} has ${made} customers and ${bought} subscriptions`);
  }
  if (subscriptions.length > USERS) problems.push(`${subscriptions.length} live subscriptions for ${USERS} users`);
  if (customers.length !== USERS) problems.push(`${customers.length} customers for ${USERS} users`);
  return {
    "users without exactly one customer": without.customer,
    "users without exactly one live subscription": without.subscription,
  };
}

function countOutcomes(clicks: readonly Click[]): Map<string, number> {
  const outcomes = countByOwner(clicks.map(({ outcome }) => outcome)) as Map<string, number>;
  const unclear = [...outcomes.keys()].filter((outcome) => outcome !== "200" && !outcome.endsWith(RETRYABLE));
  if (unclear.length > 0) problems.push(`responses that are neither 200 nor retryable: ${unclear.join()}`);
  return outcomes;
}

const problems: string[] = [];
try {
  await sellPremium(emulator);
  for (const one of replicas) await one.start();
  const startedAt = performance.now();
  const clicks = await clickAll(Array.from({ length: USERS }, (_, index) => `user${index}`));
  const seconds = (performance.now() - startedAt) / 1_000;
  const outcomes = countOutcomes(clicks);
  const metrics = {
    clicks: clicks.length,
    "time (s)": Math.round(seconds),
    "p99 latency (ms)": percentile(
      clicks.map(({ ms }) => ms),
      0.99,
    ),
    "requests to Stripe per click": requests / clicks.length,
    ...Object.fromEntries([...outcomes].map(([outcome, count]) => [`responses ${outcome}`, count])),
    ...(await checkAccount()),
  };
  const subject = `${USERS.toLocaleString("en-US")} users × ${CLICKS} clicks, ${REPLICAS} replicas`;
  console.log(subject);
  for (const [metric, value] of Object.entries(metrics)) console.log(`  ${metric}: ${Math.round(value * 10) / 10}`);
  writeResult("checkouts", figuresOf(subject, metrics, "PostgreSQL"));
} finally {
  await Promise.all(replicas.map((one) => one.stop()));
  await postgres.stop();
}
for (const problem of problems) console.error(problem);
process.exit(problems.length > 0 ? 1 : 0);
