/** Finds differences (drift) between the mirror and Stripe, field by field. */

export type DriftObject = "customer" | "subscription" | "invoice" | "refund" | "dispute";

/**
 * The way in which Tollkeeper read the data that repaired a difference: in a list from Stripe, or by retrieving the single
 * object.
 */
export type Repair = "list" | "retrieve";

export interface Drift extends Difference {
  /** The way in which Tollkeeper read the data that repaired the difference; null if the difference was not repaired. */
  repairedBy: Repair | null;
}

export interface Difference {
  object: DriftObject;
  id: string;
  /** Name of the field that differs between the mirror and Stripe; null if the mirror lacks the whole row. */
  field: string | null;
  /**
   * Values of the differing field in the mirror and at Stripe. For card details, which are personal data, the values in the
   * mirror and at Stripe are left undefined.
   */
  mirror: unknown;
  stripe: unknown;
}

/**
 * Fields that are not compared between the mirror and Stripe, because Stripe changes them without an event. The URL of an
 * invoice must also not appear in reports, because the invoice's page opens without a sign-in.
 */
const IGNORED: ReadonlySet<string> = new Set(["hostedInvoiceUrl", "failureMessage", "declineCode"]);

/**
 * Compares two records. Returns one difference for each field in which two records differ. Lists inside the compared records
 * must have a fixed order.
 */
export function compareRecords<T extends { id: string }>(
  object: DriftObject,
  mirror: T | null,
  stripe: T,
): Difference[] {
  if (mirror === null) return [{ object, id: stripe.id, field: null, mirror: null, stripe: null }];
  // Stripe returns only the id of a deleted customer.
  const isDeleted = "deleted" in stripe && stripe.deleted === true;
  return (Object.keys(stripe) as (keyof T & string)[])
    .filter((field) => !isDeleted || field === "deleted")
    .filter((field) => !IGNORED.has(field) && JSON.stringify(mirror[field]) !== JSON.stringify(stripe[field]))
    .map((field) => ({ object, id: stripe.id, field, mirror: mirror[field], stripe: stripe[field] }));
}

/**
 * Describes a difference between the mirror and Stripe in one line. The returned line contains ids and states, but no personal
 * data.
 */
export function describeDrift({ repairedBy, ...difference }: Drift): string {
  return `${describe(difference)}${repairedBy === null ? "" : `, repaired by a ${repairedBy}`}`;
}

function describe({ object, id, field, mirror, stripe }: Difference): string {
  if (field === null) return `${object} ${id} is missing in the mirror`;
  if (mirror === undefined && stripe === undefined) return `${object} ${id}: ${field} differs`;
  return `${object} ${id}: ${field} is ${JSON.stringify(mirror)} in the mirror and ${JSON.stringify(stripe)} in Stripe`;
}
