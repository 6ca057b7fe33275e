/** Simulates the network between a replica and Stripe, which can lose or delay requests and responses. */
import { never, pause, type Life } from "./life.ts";

/**
 * The SDK's timeout. A delayed request to Stripe fails if it was not sent before the timeout. In production, the timeout of a
 * request can stop counting while the machine sleeps.
 */
const SENT_WITHIN_MS = 20_000;
const LONGEST_DELAY_MS = 19_000;
export const BEFORE_OR_AFTER = ["before", "after"] as const;
const STRIPE_FAILURES = [429, 500, 502, 503, 409, "lock_timeout", "cut"] as const;
const STALE_SECONDS = 120;

async function delay({ setup, isOver }: Life): Promise<void> {
  if (isOver) return never();
  const { scheduler, name, now } = setup;
  const { signal } = new AbortController();
  await scheduler.sleep(name, now() + scheduler.random.below(LONGEST_DELAY_MS), signal);
}

export function faultyNetwork(life: Life): typeof fetch {
  const { setup, replica } = life;
  return async (input, init) => {
    const request = new Request(input, init);
    const path = new URL(request.url).pathname;
    const begunAt = setup.now();
    await pause(life, `${request.method} ${path}`);
    if (setup.scheduler.random.happens(replica.faults.slowRequests)) await delay(life);
    if (setup.now() - begunAt > SENT_WITHIN_MS) throw new TypeError("fetch failed: timed out before it was sent");
    const { random } = setup.scheduler;
    const lost = random.happens(replica.faults.network) ? random.pick(BEFORE_OR_AFTER) : null;
    if (lost === "before") throw new TypeError("fetch failed: connection lost");
    if (random.happens(replica.faults.stripe))
      await setup.fail({ answer: random.pick(STRIPE_FAILURES), when: random.pick(BEFORE_OR_AFTER) });
    else if (request.method === "GET" && random.happens(replica.faults.stale))
      await setup.fail({ answer: "stale", seconds: STALE_SECONDS });
    const response = await setup.stripe(request);
    await delayResponse(life, request, path);
    await pause(life, `response to ${request.method} ${path}`);
    if (lost === "after") throw new TypeError("fetch failed: connection lost");
    return response;
  };
}

async function delayResponse(life: Life, request: Request, path: string): Promise<void> {
  const { setup, replica } = life;
  const { slow, slowLists } = replica.faults;
  const isList = request.method === "GET" && new URL(request.url).searchParams.has("limit");
  if (!setup.scheduler.random.happens(isList ? Math.max(slow, slowLists) : slow)) return;
  if (isList) replica.slowList = path;
  await delay(life);
  replica.slowList = null;
}
