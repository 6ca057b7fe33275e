/** Finds the name that a person probably meant. */

/** Maximum length of a name that is compared, because the comparison takes quadratic time. */
const MAX_LENGTH = 60;

/**
 * Returns the known name that is nearest to a misspelt name. Returns null if every known name differs in more than a third of
 * its letters. Upper and lower case are the same.
 */
export function nearestName(misspelt: string, names: Iterable<string>): string | null {
  if (misspelt.length > MAX_LENGTH) return null;
  let nearest: string | null = null;
  let least = Infinity;
  for (const name of names) {
    const changes = countChanges(misspelt.toLowerCase(), name.toLowerCase());
    if (changes < least && changes <= Math.max(1, Math.floor(name.length / 3))) [nearest, least] = [name, changes];
  }
  return nearest;
}

/** Returns a text that refuses an unknown name, with the known name that was probably meant. */
export function describeUnknownName(name: string, known: Iterable<string>): string {
  const nearest = nearestName(name, known);
  return `"${name.slice(0, MAX_LENGTH)}" is unknown: ${nearest === null ? "correct its name or remove it" : `did you mean "${nearest}"?`}`;
}

/**
 * Returns the number of letters to insert, remove, replace or swap with their neighbour that turn one text into the other.
 * @see https://en.wikipedia.org/wiki/Damerau%E2%80%93Levenshtein_distance
 */
export function countChanges(one: string, other: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let row = 1; row <= one.length; row++) {
    const current = [row];
    for (let column = 1; column <= other.length; column++) {
      const same = one[row - 1] === other[column - 1];
      let changes = Math.min(
        (previous[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (previous[column - 1] ?? 0) + (same ? 0 : 1),
      );
      const swapped = row > 1 && column > 1 && one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1];
      if (swapped) changes = Math.min(changes, (beforePrevious[column - 2] ?? 0) + 1);
      current.push(changes);
    }
    [beforePrevious, previous] = [previous, current];
  }
  return previous[other.length] ?? 0;
}
