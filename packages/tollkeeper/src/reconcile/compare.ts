/** Compares invoices, cards and subscription items from Stripe's lists with the mirror. */
import { compareRecords, type Difference } from "../domain/drift.ts";
import type { InvoiceRecord, PaymentMethodRecord, SubscriptionRecord } from "../domain/records.ts";

/**
 * Returns the fields in which the mirror's invoice differs from Stripe's invoice. Ignores differences between two drafts,
 * because no event reports them and nothing depends on drafts.
 */
export function compareInvoice(mirrored: InvoiceRecord | null, current: InvoiceRecord): Difference[] {
  if (mirrored?.status === "draft" && current.status === "draft") return [];
  return compareRecords("invoice", mirrored, current);
}

/**
 * Returns the fields in which the mirror's card differs from Stripe's card. The differences contain ids and the names of fields
 * that differ, never the card's details.
 */
export function compareCard(
  owner: Pick<Difference, "object" | "id">,
  mirror: ReadonlyMap<string, PaymentMethodRecord>,
  current: PaymentMethodRecord | null,
): Difference[] {
  if (current === null) return [];
  const mirrored = mirror.get(current.id) ?? null;
  if (mirrored === null) return [{ ...owner, field: "defaultPaymentMethod", mirror: null, stripe: current.id }];
  return compareRecords(owner.object, mirrored, current).map(({ field }) => ({
    ...owner,
    field: `defaultPaymentMethod.${field}`,
    mirror: undefined,
    stripe: undefined,
  }));
}

/** Returns the subscription with its items sorted by id, because Stripe does not guarantee their order. */
export function withSortedItems<Row extends SubscriptionRecord | null>(row: Row): Row {
  return row && { ...row, items: row.items.toSorted((one, other) => (one.id < other.id ? -1 : 1)) };
}
