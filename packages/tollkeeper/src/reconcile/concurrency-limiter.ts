/** Limits how many objects a sweep of Stripe's lists retrieves at the same time. */
import { TollkeeperError } from "../errors.ts";

type Item = string | { id: string };

/**
 * Runs an action for each item, for a limited number of items at the same time. An item that can't be read from Stripe is
 * reported and skipped. If Stripe or the store is unavailable, the current call and all later calls of the limiter reject.
 */
export type ForEachLimited = <One extends Item>(
  items: readonly One[],
  act: (item: One) => Promise<void>,
) => Promise<void>;

export interface ConcurrencyLimiterOptions {
  signal: AbortSignal | undefined;
  /** This function is called with a sentence about each item that can't be read. */
  onProblem(problem: string): void;
}

/**
 * Maximum number of items that a sweep retrieves from Stripe at the same time. The limit of concurrent retrieves is low, so
 * each request is sent before the SDK's timeout, even if several replicas share the request budget.
 */
const MAX_CONCURRENT = 24;

/** Creates a limiter. Adds the ids of items that can't be read to `failed`. */
export function createConcurrencyLimiter(
  { signal, onProblem }: ConcurrencyLimiterOptions,
  failed: Set<string>,
): ForEachLimited {
  const queue: (() => Promise<void>)[] = [];
  let running = 0;
  let outage: TollkeeperError | null = null;

  const drainQueue = async (): Promise<void> => {
    running += 1;
    for (let next = queue.shift(); next; next = queue.shift()) await next();
    running -= 1;
  };

  const attempt = async <One extends Item>(item: One, act: (item: One) => Promise<void>): Promise<void> => {
    signal?.throwIfAborted();
    if (outage !== null) throw outage;
    try {
      await act(item);
    } catch (error) {
      if (error instanceof TollkeeperError && error.retryable) throw (outage = error);
      failed.add(typeof item === "string" ? item : item.id);
      onProblem(`${JSON.stringify(item)} could not be read: ${String(error)}`);
    }
  };

  const enqueue = <One extends Item>(item: One, act: (item: One) => Promise<void>): Promise<void> =>
    new Promise((resolve, reject) => {
      queue.push(() => attempt(item, act).then(resolve, reject));
      if (running < MAX_CONCURRENT) void drainQueue();
    });

  return async (items, act) => {
    await Promise.all(items.map((item) => enqueue(item, act)));
  };
}
