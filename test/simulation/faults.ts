/** Defines the faults that a schedule can inject. */

/** The probability of each fault, from 0 to 1. */
export interface Faults {
  /** The probability that the replica crashes at a pause point. */
  crash: number;
  /** A request to Stripe gets no response. A request to Stripe fails before or after it took effect. */
  network: number;
  /** Stripe returns 429, 500, 503, 409 or a lock timeout, before or after a request took effect. */
  stripe: number;
  /** A list or a search of Stripe returns stale data. */
  stale: number;
  /** Stripe's response is slow, sometimes slower than a lease. */
  slow: number;
  /** A request reaches Stripe late, so the request may be based on stale data. */
  slowRequests: number;
  /** Stripe's response with a list is slow, so objects can change before the service uses the list. */
  slowLists: number;
  /** The store fails before or after the commit, for example because the disk is full. */
  store: number;
}

export const NO_FAULTS: Faults = {
  crash: 0,
  network: 0,
  stripe: 0,
  stale: 0,
  slow: 0,
  slowRequests: 0,
  slowLists: 0,
  store: 0,
};

export function isCalm(faults: Faults): boolean {
  return Object.values(faults).every((probability) => probability === 0);
}
