/** Where the mirror differs from Stripe, field by field. */

export type DriftObject = "customer" | "subscription" | "invoice";

/** What has repaired it: the list that told of it, or a retrieve of the one object. */
export type Repair = "list" | "retrieve";

export interface Drift extends Difference {
  /** Null where nothing was written. */
  repairedBy: Repair | null;
}

export interface Difference {
  object: DriftObject;
  id: string;
  /** Null where the mirror has no such row. */
  field: string | null;
  /** Both undefined where they are the customer's own affair: what a card looks like. */
  mirror: unknown;
  stripe: unknown;
}

/** Changes by itself, and opens without a sign-in: no difference, and nothing to be shown. */
const PASSING: ReadonlySet<string> = new Set(["hostedInvoiceUrl", "failureMessage"]);

/** Compares what Stripe says with what the mirror holds. Records are plain values, with lists in a settled order. */
export function compareRecords<T extends { id: string }>(
  object: DriftObject,
  mirror: T | null,
  stripe: T,
): Difference[] {
  if (mirror === null) return [{ object, id: stripe.id, field: null, mirror: null, stripe: null }];
  return (Object.keys(stripe) as (keyof T & string)[])
    .filter((field) => !PASSING.has(field) && JSON.stringify(mirror[field]) !== JSON.stringify(stripe[field]))
    .map((field) => ({ object, id: stripe.id, field, mirror: mirror[field], stripe: stripe[field] }));
}

/** One line a difference, for people. Ids and states only: nothing personal is in a difference. */
export function describeDrift({ repairedBy, ...difference }: Drift): string {
  return `${describe(difference)}${repairedBy === null ? "" : `, repaired by a ${repairedBy}`}`;
}

function describe({ object, id, field, mirror, stripe }: Difference): string {
  if (field === null) return `${object} ${id} is missing in the mirror`;
  if (mirror === undefined && stripe === undefined) return `${object} ${id}: ${field} differs`;
  return `${object} ${id}: ${field} is ${JSON.stringify(mirror)} in the mirror and ${JSON.stringify(stripe)} in Stripe`;
}
