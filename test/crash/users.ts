/**
 * Simulates users who buy a subscription, cancel it and return to the app while the test kills the service. Also changes the
 * users' subscriptions as in Stripe's dashboard.
 */
import type { Emulator } from "../../packages/emulator/src/index.ts";
import {
  createServiceClient,
  createStripeClient,
  payCheckout,
  type ServiceClient,
  type StripeClient,
  type TestResponse,
} from "../../packages/tollkeeper/src/testing/harness/index.ts";
import type { SeededRandom } from "../simulation/seeded-random.ts";

export interface Users {
  /** Sets the number of new users that start per second. */
  start(perSecond: number): void;
  /** Stops starting users, and waits until all users have finished. Call this method only after the last kill of the test. */
  finish(): Promise<void>;
  /** Returns the number of users that have started. */
  count(): number;
  /** Lists the users' actions that failed even after all retries. */
  problems: string[];
  call: ServiceClient;
}

export interface UsersOptions {
  ports: readonly number[];
  emulator: Emulator;
  random: SeededRandom;
}

const RETRY_MS = 300;
/**
 * The maximum time that a user needs to finish after the last kill. Before the last kill, users retry their requests without a
 * limit.
 */
const FINISH_TIMEOUT_MS = 120_000;
const MAX_AT_ONCE = 20;
const REQUEST_TIMEOUT_MS = 15_000;
/** The probabilities of a user's actions after a purchase. */
const CANCELS = 0.3;
const RESUMES = 0.5;
const CHANGES_IN_THE_DASHBOARD = 0.3;
const IS_DELETED = 0.1;
const CLICKS_TWICE = 0.3;

export function createUsers({ ports, emulator, random }: UsersOptions): Users {
  const problems: string[] = [];
  const busy = new Set<Promise<void>>();
  let count = 0;
  let turn = 0;
  let deadline = Infinity;
  let timer: NodeJS.Timeout | null = null;
  const call: ServiceClient = (...request) => {
    turn += 1;
    const baseUrl = `http://127.0.0.1:${ports[turn % ports.length]}/stripe/`;
    return createServiceClient({ fetch: fetchWithTimeout, baseUrl })(...request);
  };
  const stripe = createStripeClient({ fetch: emulator.fetch });
  const context: UserContext = { random, stripe, retry: createRetry(call, () => deadline) };
  const startUser = (): void => {
    if (busy.size >= MAX_AT_ONCE) return;
    count += 1;
    const visit: Promise<void> = actAsUser(context, `user-${count}`)
      .catch((error: unknown) => void problems.push(error instanceof Error ? error.message : String(error)))
      .finally(() => busy.delete(visit));
    busy.add(visit);
  };
  return {
    problems,
    call,
    count: () => count,
    start(perSecond) {
      startUser();
      timer = setInterval(startUser, 1_000 / perSecond);
    },
    async finish() {
      if (timer) clearInterval(timer);
      deadline = performance.now() + FINISH_TIMEOUT_MS;
      await Promise.all(busy);
    },
  };
}

function fetchWithTimeout(request: Request): Promise<Response> {
  return fetch(request, { signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) });
}

/** Repeats a call to the service until it returns the expected response, as users try again after an error. Default: status
 * 200. */
type Retry = (
  request: Parameters<ServiceClient>,
  isExpected?: (response: TestResponse) => boolean,
) => Promise<TestResponse>;

interface UserContext {
  random: SeededRandom;
  stripe: StripeClient;
  retry: Retry;
}

function createRetry(call: ServiceClient, deadline: () => number): Retry {
  return async (request, isExpected = ({ status }) => status === 200) => {
    let last: unknown = null;
    while (performance.now() < deadline()) {
      try {
        const response = await call(...request);
        if (isExpected(response)) return response;
        last = JSON.stringify(response);
      } catch (error) {
        last = error;
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
    const [user, method, path] = request;
    throw new Error(`${user}: ${method} ${path} still failed at the end: ${String(last)}`);
  };
}

/** Simulates one user from the purchase to the end of the subscription. */
async function actAsUser(context: UserContext, user: string): Promise<void> {
  const { random, stripe, retry } = context;
  await buy(context, user);
  if (random.happens(CANCELS)) {
    await retry([user, "POST", "cancel-subscription"]);
    if (random.happens(RESUMES)) await retry([user, "POST", "resume-subscription"]);
  }
  if (random.happens(CHANGES_IN_THE_DASHBOARD)) {
    const { id } = await subscriptionOf(context, user);
    const ends = String(random.happens(0.5));
    await stripe("POST", `/v1/subscriptions/${id}`, { cancel_at_period_end: ends, "metadata[note]": user });
  }
  if (random.happens(IS_DELETED)) {
    const { customer } = await subscriptionOf(context, user);
    await stripe("DELETE", `/v1/customers/${customer}`);
    await retry(
      [user, "GET", "entitlements"],
      ({ status, body }) => status === 200 && (body["entitlements"] as unknown[]).length === 0,
    );
    await buy(context, user);
  }
}

async function buy({ random, stripe, retry }: UserContext, user: string): Promise<void> {
  const plan = { plan: "premium", interval: "month" };
  const open = (): Promise<TestResponse> => retry([user, "POST", "create-checkout-session", plan]);
  const clicks = await Promise.all(random.happens(CLICKS_TWICE) ? [open(), open()] : [open()]);
  const sessionId = String(clicks[0]?.body["sessionId"]);
  const paid = await payCheckout(stripe, sessionId);
  if (paid.status !== 200) throw new Error(`${user} could not pay ${sessionId}: ${JSON.stringify(paid.body)}`);
  await retry(
    [user, "GET", `checkout-session?session_id=${sessionId}`],
    ({ status, body }) => status === 200 && body["status"] === "complete",
  );
}

async function subscriptionOf({ stripe, retry }: UserContext, user: string): Promise<{ id: string; customer: string }> {
  const found = await retry([user, "GET", "subscriptions"]);
  const [first] = found.body["subscriptions"] as { id: string }[];
  const { body } = await stripe("GET", `/v1/subscriptions/${first?.id ?? "none"}`);
  return { id: String(body["id"]), customer: String(body["customer"]) };
}
