/** Defines the billing owner: the party that is billed, which is one user or an organization with many users. */
import { InvalidRequestError } from "../errors.ts";
import { isStorableText } from "./storable-text.ts";

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

/** Maximum number of characters of a user's or an organization's id. */
const MAX_ID_LENGTH = 255;

/** Texts that JavaScript makes from a missing id. All users without an id would share such a text. */
const TEXTS_OF_MISSING_IDS: ReadonlySet<string> = new Set(["undefined", "null", "NaN", "[object Object]"]);

/**
 * Returns the problem of the id of a user or an organization; null if the id is valid. The text of the problem never contains
 * the id, because the id may be an email address.
 */
export function findIdProblem(id: unknown): string | null {
  if (id === undefined || id === null) return "is missing";
  if (typeof id !== "string") return `is a value of the type ${typeof id} instead of a string`;
  if (id.trim() === "") return "is empty";
  if (TEXTS_OF_MISSING_IDS.has(id)) return `is the text "${id}", which stands for a missing id`;
  if (id.length > MAX_ID_LENGTH) return `has ${id.length} characters, but at most ${MAX_ID_LENGTH} are allowed`;
  if (!isStorableText(id)) return "contains a NUL character or invalid Unicode";
  return null;
}

/**
 * Returns the billing owner that an argument of a public method names; a string argument is a user's id. Throws
 * `InvalidRequestError` for an argument that names no owner, so that no two users share one owner by mistake.
 */
export function toOwner(owner: string | BillingOwner): BillingOwner {
  const { kind, id } = typeof owner === "object" && owner !== null ? owner : userOwner(owner);
  const problem = findIdProblem(id);
  if (problem !== null)
    throw new InvalidRequestError("invalid_request", `The owner's id ${problem}. Pass the id of one user.`);
  if (!OWNER_KINDS.includes(kind))
    throw new InvalidRequestError("invalid_request", `The owner's kind must be one of ${OWNER_KINDS.join(", ")}.`);
  return { kind, id };
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
