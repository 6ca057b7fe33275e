/** The requests that a bench's service sends: how many came within any second. */

export interface Requests {
  note(): void;
  count(): number;
  /** The most that were sent within any second. */
  mostInASecond(): number;
  forget(): void;
}

export function countRequests(now: () => number): Requests {
  const sent: number[] = [];
  return {
    note: () => void sent.push(now()),
    count: () => sent.length,
    mostInASecond() {
      let most = 0;
      for (let first = 0, last = 0; last < sent.length; last += 1) {
        while ((sent[last] ?? 0) - (sent[first] ?? 0) > 1_000) first += 1;
        most = Math.max(most, last - first + 1);
      }
      return most;
    },
    forget: () => void sent.splice(0),
  };
}
