/**
 * Runs calls with the same key one after the other in this process. Conflicts between processes are prevented by operations and
 * by unique constraints in the database.
 */

/**
 * Runs `work` after all earlier calls with the same key. If the last waiting call has the same intent as a new call, the new
 * call joins the waiting call. Calls that joined a waiting call share one run of `work` and the result of the run.
 */
export type Serialize = <T>(key: string, work: () => Promise<T>, intent?: string) => Promise<T>;

interface Waiting {
  intent: string | undefined;
  result: Promise<unknown>;
}

export function createSerialize(): Serialize {
  const tails = new Map<string, Promise<unknown>>();
  /** Maps each key to the newest call with this key that has not started yet. */
  const waiting = new Map<string, Waiting>();
  const inTurn = async <T>(key: string, work: () => Promise<T>): Promise<T> => {
    const before = tails.get(key) ?? Promise.resolve();
    const mine = before.then(work, work);
    const tail = mine.catch(() => {});
    tails.set(key, tail);
    try {
      return await mine;
    } finally {
      if (tails.get(key) === tail) tails.delete(key);
    }
  };
  return async <T>(key: string, work: () => Promise<T>, intent?: string): Promise<T> => {
    const last = waiting.get(key);
    if (last && intent !== undefined && last.intent === intent) return last.result as Promise<T>;
    const result = inTurn(key, () => {
      if (waiting.get(key)?.result === result) waiting.delete(key);
      return work();
    });
    waiting.set(key, { intent, result });
    return result;
  };
}
