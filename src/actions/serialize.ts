/** One after the other within this process, per key. Between processes, operations and unique constraints decide. */

export type Serialize = <T>(key: string, work: () => Promise<T>) => Promise<T>;

export function createSerialize(): Serialize {
  const tails = new Map<string, Promise<unknown>>();
  return async (key, work) => {
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
}
