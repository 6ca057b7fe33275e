/**
 * A thousand users, each of whom clicks "subscribe" fifty times at once, spread over four replicas on one PostgreSQL: how the
 * clicks are answered, and whether each user ends with one customer, one open checkout and, once it is paid, one live
 * subscription. Part of `npm run load`.
 */
import { createEmulator } from "../packages/emulator/src/index.ts";
import { createTollkeeper, type Tollkeeper } from "../packages/tollkeeper/src/index.ts";
import { startPostgres } from "../test/support/postgres.ts";
import { ask, benchOptions, listAll, sellPremium } from "./account.ts";

const USERS = Number(process.env["BENCH_USERS"] ?? 1_000);
const CLICKS = 50;
const REPLICAS = 4;
/** Users who click at the same time. */
const USERS_AT_ONCE = 8;
const TELL_EVERY_MS = 10_000;
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
    // What replicas give up is tried again by the user, not by the SDK.
    stripeNetworkRetries: 0,
    reconcileEveryMinutes: 1_440,
    fetch: (input, init) => {
      requests += 1;
      return emulator.fetch(new Request(input, init));
    },
  });
}

interface Click {
  /** `200`, or the status with the error's code. */
  answer: string;
  session: string | null;
  ms: number;
}

async function click(user: string, at: number): Promise<Click> {
  const startedAt = performance.now();
  const service = replicas[at];
  if (!service) throw new Error(`there is no replica ${at}`);
  const response = await service.fetch(
    new Request("http://app.bench/stripe/create-checkout-session", {
      method: "POST",
      headers: { authorization: user, "content-type": "application/json" },
      body: JSON.stringify({ plan: "premium", interval: "month" }),
    }),
  );
  const body = (await response.json()) as { sessionId?: string; error?: { code: string } };
  const retryable = response.headers.has("retry-after") ? ", may be tried again" : "";
  return {
    answer: body.error ? `${response.status} ${body.error.code}${retryable}` : String(response.status),
    session: body.sessionId ?? null,
    ms: performance.now() - startedAt,
  };
}

/** All of a user's clicks at once; then the sessions that were named are paid. */
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

/** Owner -> how many are theirs. */
function countByOwner(owners: readonly unknown[]): Map<unknown, number> {
  const counts = new Map<unknown, number>();
  for (const owner of owners) counts.set(owner, (counts.get(owner) ?? 0) + 1);
  return counts;
}

/** How many have how many. */
function histogram(counts: ReadonlyMap<unknown, number>): string {
  const sizes = new Map<number, number>();
  for (const count of counts.values()) sizes.set(count, (sizes.get(count) ?? 0) + 1);
  return [...sizes].map(([count, users]) => `${users} users with ${count}`).join(", ");
}

const problems: string[] = [];
const clicks: Click[] = [];
try {
  await sellPremium(emulator);
  for (const one of replicas) await one.start();
  const users = Array.from({ length: USERS }, (_, index) => `user${index}`);
  const startedAt = performance.now();
  let toldAt = startedAt;
  const workOff = async (): Promise<void> => {
    for (let user = users.pop(); user !== undefined; user = users.pop()) {
      clicks.push(...(await buy(user)));
      if (performance.now() - toldAt < TELL_EVERY_MS) continue;
      toldAt = performance.now();
      console.error(`  ${USERS - users.length} of ${USERS} users have clicked`);
    }
  };
  await Promise.all(Array.from({ length: USERS_AT_ONCE }, workOff));
  const seconds = (performance.now() - startedAt) / 1_000;
  const answers = new Map<string, number>();
  for (const { answer } of clicks) answers.set(answer, (answers.get(answer) ?? 0) + 1);
  const p99 = clicks.map(({ ms }) => ms).toSorted((one, other) => one - other)[Math.floor(clicks.length * 0.99)] ?? 0;
  console.log(
    `${USERS} users x ${CLICKS} clicks over ${REPLICAS} replicas in ${seconds.toFixed(0)} s, p99 ${p99.toFixed(0)} ms, ` +
      `${(requests / clicks.length).toFixed(1)} requests to Stripe a click`,
  );
  console.log(`  answers: ${[...answers].map(([answer, count]) => `${count} x ${answer}`).join("; ")}`);
  const customers = await listAll(emulator, "/v1/customers");
  const subscriptions = await listAll(emulator, "/v1/subscriptions");
  const userOf = new Map(
    customers.map(({ id, metadata }) => [id, (metadata as Record<string, string>)["auth0_user_id"]]),
  );
  const customersOf = countByOwner([...userOf.values()]);
  const subscriptionsOf = countByOwner(subscriptions.map(({ customer }) => userOf.get(String(customer))));
  console.log(`  customers: ${histogram(customersOf)}`);
  console.log(`  live subscriptions: ${histogram(subscriptionsOf)}`);
  for (let index = 0; index < USERS; index += 1) {
    const made = customersOf.get(`user${index}`) ?? 0;
    const bought = subscriptionsOf.get(`user${index}`) ?? 0;
    // Each has paid the session that the clicks were answered with.
    if (made !== 1 || bought !== 1) problems.push(`user${index} has ${made} customers and ${bought} subscriptions`);
  }
  if (subscriptions.length > USERS) problems.push(`${subscriptions.length} live subscriptions for ${USERS} users`);
  if (customers.length !== USERS) problems.push(`${customers.length} customers for ${USERS} users`);
  const unclear = [...answers.keys()].filter((answer) => answer !== "200" && !answer.endsWith("tried again"));
  if (unclear.length > 0) problems.push(`answered neither 200 nor "try again": ${unclear.join()}`);
} finally {
  await Promise.all(replicas.map((one) => one.stop()));
  await postgres.stop();
}
for (const problem of problems) console.error(problem);
process.exit(problems.length > 0 ? 1 : 0);
