/**
 * Generates repeatable random numbers: the same seed always produces the same numbers. @see
 * https://github.com/bryc/code/blob/master/jshash/PRNGs.md#mulberry32
 */

export interface SeededRandom {
  /** Returns a random number that is at least 0 and less than 1. */
  next(): number;
  /** Returns a random whole number from 0 to `count` - 1. */
  below(count: number): number;
  /** Returns a random item of the list. Throws if the list is empty. */
  pick<T>(items: readonly T[]): T;
  /** Returns true with the given probability. */
  happens(probability: number): boolean;
}

export function createRandom(seed: number): SeededRandom {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const below = (count: number): number => Math.floor(next() * count);
  return {
    next,
    below,
    pick: (items) => {
      const item = items[below(items.length)];
      if (item === undefined) throw new Error("cannot pick from an empty list");
      return item;
    },
    happens: (probability) => next() < probability,
  };
}
