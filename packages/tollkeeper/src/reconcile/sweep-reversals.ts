/**
 * Handles one page of the list of refunds or disputes. Retrieves each refund or dispute that differs from the mirror, because
 * the list does not contain the invoice whose payment it takes back.
 */
import { compareRecords } from "../domain/drift.ts";
import type { DisputeRecord, RefundRecord } from "../domain/records.ts";
import type { ListedDispute, ListedRefund } from "../stripe/gateway/gateway.ts";
import type { PageState, SweepContext } from "./sweep-context.ts";

export async function handleRefundPage(
  context: SweepContext,
  page: PageState,
  rows: readonly ListedRefund[],
): Promise<void> {
  const mirrored = await context.store.reversals.findRefunds(rows.map(({ id }) => id));
  await handlePage(context, page, { object: "refund", rows, mirrored });
}

export async function handleDisputePage(
  context: SweepContext,
  page: PageState,
  rows: readonly ListedDispute[],
): Promise<void> {
  const mirrored = await context.store.reversals.findDisputes(rows.map(({ id }) => id));
  await handlePage(context, page, { object: "dispute", rows, mirrored });
}

type Listed = ListedRefund | ListedDispute;

interface ReversalPage {
  object: "refund" | "dispute";
  rows: readonly Listed[];
  mirrored: ReadonlyMap<string, RefundRecord | DisputeRecord>;
}

async function handlePage(
  { sync }: SweepContext,
  { forEachLimited, onDrift, dryRun }: PageState,
  { object, rows, mirrored }: ReversalPage,
): Promise<void> {
  await forEachLimited(rows, async ({ id, customerId, status, amount }) => {
    const listed: Listed = { id, customerId, status, amount };
    const differences = compareRecords<Listed>(object, mirrored.get(id) ?? null, listed);
    if (differences.length === 0) return;
    if (!dryRun) await sync.object({ object, id, customerId });
    onDrift(differences, dryRun ? null : "retrieve");
  });
}
