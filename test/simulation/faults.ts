/** Defines the faults that a schedule can inject. */

/** The probability of each fault, from 0 to 1. */
export interface Faults {
  /** The probability that the replica crashes at a pause point. */
  crash: number;
  /**
   * The probability that a request to Stripe gets no response. The request without a response may or may not have taken effect.
   */
  network: number;
  /** The probability that Stripe returns 429, 500, 503, 409 or a lock timeout, before or after a request took effect. */
  stripe: number;
  /** The probability that a list or a search of Stripe returns stale data. */
  stale: number;
  /** The probability that Stripe's response is slow. A slow response sometimes takes longer than a lease lasts. */
  slow: number;
  /** The probability that a request reaches Stripe late, so that the request may be based on stale data. */
  slowRequests: number;
  /**
   * The probability that Stripe's response with a list is slow, so that objects can change before the service uses the list.
   */
  slowLists: number;
  /** The probability that the store fails before or after a commit, for example because the disk is full. */
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
