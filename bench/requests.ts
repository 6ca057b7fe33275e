/** Counts the requests that a measured service sends to Stripe, in total and within any one second. */

export interface Requests {
  record(): void;
  count(): number;
  /** Returns the largest number of requests within any second. */
  mostInASecond(): number;
  reset(): void;
}

export function countRequests(now: () => number): Requests {
  const sent: number[] = [];
  return {
    record: () => void sent.push(now()),
    count: () => sent.length,
    mostInASecond() {
      let most = 0;
      for (let first = 0, last = 0; last < sent.length; last += 1) {
        while ((sent[last] ?? 0) - (sent[first] ?? 0) > 1_000) first += 1;
        most = Math.max(most, last - first + 1);
      }
      return most;
    },
    reset: () => void sent.splice(0),
  };
}
