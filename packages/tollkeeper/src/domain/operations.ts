/**
 * Decides the next step of an operation, which is one intended change at Stripe. The next step depends only on the operation's
 * record and the time.
 */

export type OperationState = "pending" | "succeeded" | "failed";

export interface OperationRecord {
  id: string;
  kind: string;
  /**
   * The billing owner or the Stripe object that the operation changes. At most one operation of each kind is pending for one
   * owner or object.
   */
  subject: string;
  /**
   * Sequence number of the operation among all operations of the same kind for the same owner or object. Decisions depend only
   * on the operation with the highest sequence number.
   */
  generation: number;
  fingerprint: string;
  /**
   * The parameters of the request to Stripe as JSON, so that any replica can finish the operation; null after the outcome is
   * known.
   */
  params: string | null;
  idempotencyKey: string;
  state: OperationState;
  /** The outcome of the operation as JSON; null while the operation is pending. */
  result: string | null;
  createdAt: number;
  /**
   * Instant, in epoch milliseconds, from which the idempotency key must no longer be sent to Stripe. An expired idempotency key
   * is not sent to Stripe, because Stripe has stored a failure under the key or may have deleted the key.
   */
  keyEndsAt: number;
}

/**
 * Milliseconds for which requests may be sent with an idempotency key. Stripe keeps a key's outcome for at least 24 hours. A
 * retry with an idempotency key that Stripe no longer keeps might have a second effect.
 * @see https://docs.stripe.com/api/idempotent_requests
 */
export const IDEMPOTENCY_KEY_LIFETIME_MS: number = 23 * 3_600_000;

/**
 * Milliseconds for which Stripe's lists may lack a new object. The assumed lag of Stripe's lists is longer than the time that
 * one request to Stripe takes with all its retries.
 */
export const LIST_LAG_MS: number = 180_000;

/**
 * Returns the sequence number of the newest operation whose outcome is known. The outcome of a pending operation is unknown, so
 * no decision may depend on it.
 */
export function settledGeneration(current: Pick<OperationRecord, "generation" | "state"> | null): number {
  if (current === null) return 0;
  return current.state === "pending" ? current.generation - 1 : current.generation;
}

export type OperationDecision = "begin" | "retry" | "look_up";

/**
 * Returns the next step of an operation. The request of a pending operation is repeated with the same idempotency key. After
 * the idempotency key has expired, the step is `look_up`. The caller then looks for the request's effect at Stripe if a second
 * request would have a second effect.
 */
export function decideOperation(current: OperationRecord | null, now: number): OperationDecision {
  if (current?.state !== "pending") return "begin";
  return now < current.keyEndsAt ? "retry" : "look_up";
}

/** Returns true if the operation's request is so old that an empty list from Stripe proves that the request had no effect. */
export function isEmptyListConclusive({ keyEndsAt }: Pick<OperationRecord, "keyEndsAt">, now: number): boolean {
  return now >= keyEndsAt + LIST_LAG_MS;
}

/** Returns a value as JSON with sorted keys, so that equal parameters have equal texts. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) =>
    member !== null && typeof member === "object" && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}
