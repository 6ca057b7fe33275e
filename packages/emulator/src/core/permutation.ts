/** Returns the permutation of a list that has the given number: 0 keeps the list's order, n! - 1 reverses it. */
export function permute<T>(items: readonly T[], number: number): T[] {
  const rest = [...items];
  const ordered: T[] = [];
  let left = number % factorial(rest.length);
  while (rest.length > 0) {
    const block = factorial(rest.length - 1);
    ordered.push(...rest.splice(Math.floor(left / block), 1));
    left %= block;
  }
  return ordered;
}

/** 18! is the largest factorial below 2^53. */
const MAX_FACTORIAL = 18;

function factorial(n: number): number {
  let result = 1;
  for (let factor = 2; factor <= Math.min(n, MAX_FACTORIAL); factor++) result *= factor;
  return result;
}
