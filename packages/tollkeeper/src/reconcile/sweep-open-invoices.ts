/**
 * Handles one page of the list of open invoices. Retrieves each invoice, because the list does not contain the state of an open
 * invoice's payment.
 */
import { compareRecords } from "../domain/drift.ts";
import type { PageState, SweepContext } from "./sweep-context.ts";

export async function handleOpenInvoicePage(
  { store, gateway, sync }: SweepContext,
  { listedIds, forEachLimited, onDrift, dryRun }: PageState,
  rows: readonly { id: string; customerId: string }[],
): Promise<void> {
  for (const { id } of rows) listedIds.add(id);
  const mirrored = await store.subscriptions.findInvoices(rows.map(({ id }) => id));
  await forEachLimited(rows, async ({ id, customerId }) => {
    const current = await gateway.retrieveInvoice(id);
    const differences = current ? compareRecords("invoice", mirrored.get(id) ?? null, current) : [];
    if (differences.length > 0 && !dryRun) await sync.object({ object: "invoice", id, customerId });
    onDrift(differences, dryRun ? null : "retrieve");
  });
}
