/** One after the other within this process, per key. Between processes, operations and unique constraints decide. */

/** Calls with the same intent that still wait share one run: it begins after each of them has come. */
export type Serialize = <T>(key: string, work: () => Promise<T>, intent?: string) => Promise<T>;

export function createSerialize(): Serialize {
  const tails = new Map<string, Promise<unknown>>();
  const waiting = new Map<string, Promise<unknown>>();
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
    if (intent === undefined) return inTurn(key, work);
    const name = JSON.stringify([key, intent]);
    const shared = waiting.get(name);
    if (shared) return shared as Promise<T>;
    const mine = inTurn(key, () => {
      waiting.delete(name);
      return work();
    });
    waiting.set(name, mine);
    return mine;
  };
}
