/** Decides if the secret key belongs to the Stripe account whose objects the database mirrors. */

/** Maximum number of mirrored objects that are retrieved if the key may not read its account. */
export const MAX_CHECKED_OBJECTS = 20;

export interface AccountFacts {
  /** Id of the key's account; null if the key may not read its account. */
  current: string | null;
  /** Id of the account that the database remembers; null if it remembers none. */
  remembered: string | null;
  /** Value of the option `stripeAccountChanged`: id of the account to which the operator has changed on purpose. */
  changedTo: string | null;
  /**
   * Number of mirrored objects that were retrieved with the key, and number of them that exist at Stripe. Both are used only if
   * the key may not read its account.
   */
  objects: { checked: number; found: number };
}

export type AccountDecision =
  | { kind: "accept" }
  | { kind: "remember"; accountId: string; from: string | null }
  | { kind: "refuse"; problem: string };

/**
 * Decides if the service may use the key with this database. Another account's key returns 404 for every mirrored object, and
 * the service would take each 404 for a deletion.
 */
export function decideAccount({ current, remembered, changedTo, objects }: AccountFacts): AccountDecision {
  if (current === null) {
    if (objects.checked === 0 || objects.found > 0) return { kind: "accept" };
    return {
      kind: "refuse",
      problem:
        `STRIPE_SECRET_KEY may not read its account, and none of ${objects.checked} objects in the database exists at ` +
        `Stripe${remembered === null ? "" : ` (the database belongs to ${remembered})`}: use a key of the account whose ` +
        `data the database has, or use another database`,
    };
  }
  if (current === remembered) return { kind: "accept" };
  if (remembered === null || changedTo === current) return { kind: "remember", accountId: current, from: remembered };
  return {
    kind: "refuse",
    problem:
      `STRIPE_SECRET_KEY belongs to the Stripe account ${current}, but the database has the data of ${remembered}: use a ` +
      `key of ${remembered}, or use another database. If the account has changed on purpose, set ` +
      `STRIPE_ACCOUNT_CHANGED=${current}`,
  };
}
