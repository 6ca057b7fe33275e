/** Creates random numbers from a seed, so that equal requests with an equal seed always produce equal IDs. */
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/**
 * Returns a random number from 0 (inclusive) to 1 (exclusive). The random number generator uses the algorithm mulberry32,
 * because the state of mulberry32 is a single number.
 */
export function nextRandom(state: { seed: number }): number {
  state.seed = (state.seed + 0x6d2b79f5) | 0;
  let t = Math.imul(state.seed ^ (state.seed >>> 15), 1 | state.seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
}

export function randomText(state: { seed: number }, length: number): string {
  let text = "";
  for (let i = 0; i < length; i++) text += ALPHABET[Math.floor(nextRandom(state) * ALPHABET.length)];
  return text;
}
