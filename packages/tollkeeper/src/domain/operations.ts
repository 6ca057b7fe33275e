/** An operation is one intent towards Stripe: what to do about it depends only on its record and the time. */

export type OperationState = "pending" | "succeeded" | "failed";

export interface OperationRecord {
  id: string;
  kind: string;
  /** Whose intent it is; at most one operation of a kind and subject is pending. */
  subject: string;
  /** Counts the intents of one subject; the newest is the one that counts. */
  generation: number;
  fingerprint: string;
  /** The parameters while the outcome is unknown, so that anybody can finish it; null afterwards. */
  params: string | null;
  idempotencyKey: string;
  state: OperationState;
  /** The outcome, as JSON. */
  result: string | null;
  createdAt: number;
  /** From then on the key leads to nothing new: Stripe has stored a failure under it, or may have forgotten it. */
  keyEndsAt: number;
}

/**
 * Stripe keeps a key's outcome for at least 24 hours; past this age a retry with the same key might act twice.
 * @see https://docs.stripe.com/api/idempotent_requests
 */
export const IDEMPOTENCY_KEY_LIFETIME_MS: number = 23 * 3_600_000;

/**
 * What was made before this long may be missing from a list, whose clock may differ from ours. Longer than a call that is
 * still under way takes with all its retries.
 */
export const LISTS_LAG_MS: number = 180_000;

/**
 * The generation whose outcome a caller can have known when it loaded this: a pending one may still become anything, so
 * a decision can't rest on it.
 */
export function settledGeneration(current: Pick<OperationRecord, "generation" | "state"> | null): number {
  if (current === null) return 0;
  return current.state === "pending" ? current.generation - 1 : current.generation;
}

export type OperationDecision = "begin" | "retry" | "look_up";

/** A pending operation is finished first, under its own key; when that leads to nothing new, look before acting. */
export function decideOperation(current: OperationRecord | null, now: number): OperationDecision {
  if (current?.state !== "pending") return "begin";
  return now < current.keyEndsAt ? "retry" : "look_up";
}

/** Whether a list without what the operation makes shows that its key led to nothing. */
export function showsNothing({ keyEndsAt }: Pick<OperationRecord, "keyEndsAt">, now: number): boolean {
  return now >= keyEndsAt + LISTS_LAG_MS;
}

/** JSON with sorted keys: equal parameters have equal text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) =>
    member !== null && typeof member === "object" && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}
