/** Decides if a sweep would end so many subscriptions that an operator must accept it first. */

/** A sweep that would end fewer subscriptions than this number never stops. */
export const MIN_STOPPING_ENDS = 10;
/** A sweep stops only if it would end more than this share of the live subscriptions. */
export const MAX_ENDING_SHARE = 0.2;

/** Numbers of the mirror's live subscriptions: all of them, and those that have ended at Stripe or that Stripe does not have. */
export interface MassEnd {
  live: number;
  ending: number;
}

/**
 * Returns true if a sweep must stop. A wrong database, a wrong emulator or a test account that was reset at Stripe shows as the
 * end of many subscriptions at once.
 */
export function isMassEnd({ live, ending }: MassEnd): boolean {
  return ending >= MIN_STOPPING_ENDS && ending > live * MAX_ENDING_SHARE;
}
