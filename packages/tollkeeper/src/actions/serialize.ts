/** One after the other within this process, per key. Between processes, operations and unique constraints decide. */

/** Calls with one intent that wait, with nothing else behind them, share one run: it begins after each of them has come. */
export type Serialize = <T>(key: string, work: () => Promise<T>, intent?: string) => Promise<T>;

interface Waiting {
  intent: string | undefined;
  result: Promise<unknown>;
}

export function createSerialize(): Serialize {
  const tails = new Map<string, Promise<unknown>>();
  /** The last of each key, until it begins. */
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
