/** Every order of a few things, by number: 0 is as they are, n! - 1 the reverse. */
export function inOrder<T>(items: readonly T[], number: number): T[] {
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

/** 20! is the last that a number holds exactly enough to be a remainder's modulus. */
const MAX_FACTORIAL = 18;

function factorial(n: number): number {
  let result = 1;
  for (let factor = 2; factor <= Math.min(n, MAX_FACTORIAL); factor++) result *= factor;
  return result;
}
