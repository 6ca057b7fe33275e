/** Decides which owner a customer of Stripe belongs to. */
import { ownerKey, type BillingOwner } from "./owner.ts";
import type { CustomerRecord } from "./records.ts";

export type LinkDecision =
  /** The customer already belongs to the owner that its metadata names, or it has no owner. */
  | { kind: "keep"; customerId: string }
  /** The metadata names no owner any more. The customer keeps its last owner, so that a paying user keeps access. */
  | { kind: "keep_last"; customerId: string }
  | { kind: "link"; customerId: string; owner: BillingOwner }
  /** The metadata names another owner than before. */
  | { kind: "move"; customerId: string; owner: BillingOwner };

/**
 * Decides the owner of a customer. The metadata of the customer at Stripe names its owner. A customer that was deleted at
 * Stripe keeps its owner, because its subscriptions are part of the owner's history. `linked` is the owner to which the
 * customer belongs so far.
 */
export function decideLink(
  { id: customerId, owner, deleted }: Pick<CustomerRecord, "id" | "owner" | "deleted">,
  linked: BillingOwner | null,
): LinkDecision {
  if (deleted) return { kind: "keep", customerId };
  if (owner === null) return { kind: linked === null ? "keep" : "keep_last", customerId };
  if (linked === null) return { kind: "link", customerId, owner };
  return ownerKey(owner) === ownerKey(linked) ? { kind: "keep", customerId } : { kind: "move", customerId, owner };
}
