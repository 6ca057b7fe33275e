/** Handles one page of the customer list: compares it with the mirror and repairs the differences. */
import { compareRecords } from "../domain/drift.ts";
import type { CustomerRecord } from "../domain/records.ts";
import type { RetrievedCustomer } from "../stripe/gateway/gateway.ts";
import { emptySnapshot, type Snapshot } from "../sync/retrieve.ts";
import { compareCard } from "./compare.ts";
import { completeEvents, repair, reportDrift, type RowDrift } from "./repair.ts";
import type { PageState, SweepContext } from "./sweep-context.ts";

export async function handleCustomerPage(
  context: SweepContext,
  page: PageState,
  rows: readonly RetrievedCustomer[],
  upToSeq: number,
): Promise<void> {
  const { customers, inbox } = context.store;
  for (const { customer } of rows) page.listedIds.add(customer.id);
  const mirrored = await customers.findCustomers(rows.map(({ customer }) => customer.id));
  const cards = await customers.findPaymentMethods(rows.flatMap(({ paymentMethod }) => paymentMethod?.id ?? []));
  const pendingIds = page.dryRun
    ? new Set<string>()
    : await inbox.findPendingObjectIds(rows.flatMap(coveredByCustomer), upToSeq);
  const drift: RowDrift[] = [];
  const snapshots = new Map<string, Snapshot>();
  for (const row of rows) {
    const { customer, paymentMethod } = row;
    const differences = [
      ...compareRecords<CustomerRecord>("customer", mirrored.get(customer.id) ?? null, customer),
      ...compareCard({ object: "customer", id: customer.id }, cards, paymentMethod),
    ];
    if (differences.length === 0 && !coveredByCustomer(row).some((id) => pendingIds.has(id))) continue;
    drift.push({ lane: customer.id, differences });
    snapshots.set(customer.id, {
      ...emptySnapshot(customer.id),
      customers: [customer],
      paymentMethods: paymentMethod ? [paymentMethod] : [],
    });
  }
  if (page.dryRun) return reportDrift(page, drift);
  const retrieved = await repair(context, page, "customer", snapshots);
  reportDrift(page, drift, retrieved);
  const ids = rows
    .filter(({ customer }) => snapshots.has(customer.id))
    .flatMap((row) => (retrieved.has(row.customer.id) ? [row.customer.id] : coveredByCustomer(row)));
  await completeEvents(context, page, { ids, pendingIds, upToSeq });
}

/** Returns the id of the customer, and the id of its default card if the card belongs to the customer. */
function coveredByCustomer({ customer, paymentMethod }: RetrievedCustomer): string[] {
  return [customer.id, ...(paymentMethod?.customerId === customer.id ? [paymentMethod.id] : [])];
}
