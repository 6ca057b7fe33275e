/** Defines the billing owner: the party that is billed, which is one user or an organization with many users. */

export const OWNER_KINDS = ["user", "organization"] as const;
export type OwnerKind = (typeof OWNER_KINDS)[number];

export interface BillingOwner {
  kind: OwnerKind;
  /**
   * Id of the billing owner, which is a user or an organization. The id of a user is the subject (`sub`) of the user's token.
   */
  id: string;
}

export function userOwner(userId: string): BillingOwner {
  return { kind: "user", id: userId };
}

/** Returns the billing owner that an argument of a public method names; a string argument is a user's id. */
export function toOwner(owner: string | BillingOwner): BillingOwner {
  return typeof owner === "string" ? userOwner(owner) : owner;
}

/** Returns a text that identifies the owner, such as "user:auth0|123". */
export function ownerKey({ kind, id }: BillingOwner): string {
  return `${kind}:${id}`;
}

/** Returns the billing owner for a text that `ownerKey` returned. Throws if `ownerKey` can't have returned the text. */
export function ownerFromKey(key: string): BillingOwner {
  const kind = OWNER_KINDS.find((candidate) => key.startsWith(`${candidate}:`));
  if (kind === undefined) throw new Error(`"${key}" is not the key of a billing owner`);
  return { kind, id: key.slice(kind.length + 1) };
}

/**
 * Groups the ids of billing owners by the kind of owner: user or organization. The groups of owner ids have a fixed order, and
 * each owner occurs once.
 */
export function idsByKind(owners: readonly BillingOwner[]): [kind: OwnerKind, ids: string[]][] {
  return OWNER_KINDS.flatMap((kind): [OwnerKind, string[]][] => {
    const ids = new Set(owners.filter((owner) => owner.kind === kind).map(({ id }) => id));
    return ids.size > 0 ? [[kind, [...ids]]] : [];
  });
}
