/**
 * Handles one page of the list of refunds or disputes. Retrieves each refund or dispute that differs from the mirror, because
 * the list does not contain the invoice whose payment it takes back.
 */
import { compareRecords } from "../domain/drift.ts";
import type { DisputeRecord, RefundRecord } from "../domain/records.ts";
import type { ListedDispute, ListedRefund, RetrievedReversal } from "../stripe/gateway/types.ts";
import type { PageState, SweepContext } from "./sweep-context.ts";

/**
 * Milliseconds after its creation in which a refund or dispute without an invoice is retrieved by each sweep. The list of
 * invoice payments may have been stale when the mirror was written. Without its invoice, a dispute does not change access.
 */
const INVOICE_MAY_APPEAR_MS = 3 * 24 * 60 * 60 * 1000;

export async function handleRefundPage(
  context: SweepContext,
  page: PageState,
  rows: readonly ListedRefund[],
): Promise<void> {
  const mirrored = await context.store.reversals.findRefunds(rows.map(({ id }) => id));
  const retrieve = (id: string): Retrieved => context.gateway.retrieveRefund(id);
  await handlePage(context, page, { object: "refund", rows, mirrored, retrieve });
}

export async function handleDisputePage(
  context: SweepContext,
  page: PageState,
  rows: readonly ListedDispute[],
): Promise<void> {
  const mirrored = await context.store.reversals.findDisputes(rows.map(({ id }) => id));
  const retrieve = (id: string): Retrieved => context.gateway.retrieveDispute(id);
  await handlePage(context, page, { object: "dispute", rows, mirrored, retrieve });
}

type Listed = ListedRefund | ListedDispute;
type Reversal = RefundRecord | DisputeRecord;
type Retrieved = Promise<RetrievedReversal<Reversal> | null>;

interface ReversalPage {
  object: "refund" | "dispute";
  rows: readonly Listed[];
  mirrored: ReadonlyMap<string, Reversal>;
  retrieve(id: string): Retrieved;
}

async function handlePage(
  { sync, runtime }: SweepContext,
  { forEachLimited, onDrift, dryRun }: PageState,
  { object, rows, mirrored, retrieve }: ReversalPage,
): Promise<void> {
  await forEachLimited(rows, async ({ id, customerId, status, amount }) => {
    const known = mirrored.get(id) ?? null;
    const retrieved = known && mayGetInvoice(known, runtime.billingNow()) ? await retrieve(id) : null;
    const current: Listed = retrieved?.reversal ?? { id, customerId, status, amount };
    const differences = compareRecords<Listed>(object, known, current);
    if (differences.length === 0) return;
    if (!dryRun) await sync.object({ object, id, customerId });
    onDrift(differences, dryRun ? null : "retrieve");
  });
}

function mayGetInvoice({ invoiceId, createdAt }: Reversal, now: number): boolean {
  return invoiceId === null && createdAt >= now - INVOICE_MAY_APPEAR_MS;
}
