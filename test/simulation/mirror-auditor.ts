/** Checks the mirror against Stripe's data (rules I3 and I4). */
import { userOwner } from "../../packages/tollkeeper/src/domain/owner.ts";
import type { Store } from "../../packages/tollkeeper/src/store/store.ts";
import type { StripeInvoice, Tables, Violate } from "./audit-types.ts";
import { isDeleted, USER_KEY } from "./stripe-books.ts";
import type { StripeHistory } from "./stripe-history.ts";
import { stateAtStripe, stateInMirror, type MirrorSubscription } from "./subscription-state.ts";

export interface MirrorAuditor {
  /**
   * Checks a subscription that the service has written to the mirror. The mirror may skip a state and may be out of date, but
   * must never return to an earlier state (rule I3).
   */
  saved(record: MirrorSubscription): void;
  /**
   * If no event is pending, checks that the mirror contains every change whose event was acknowledged (rule I4).
   */
  checkReported(tables: Tables, store: Store, isAcknowledged: (eventId: string) => boolean): Promise<void>;
}

export function createMirrorAuditor(history: StripeHistory, violate: Violate): MirrorAuditor {
  /** For each subscription, contains the position of the mirror's state in the list of the subscription's states. */
  const positions = new Map<string, number>();
  return {
    saved(record) {
      const states = history.states.get(record.id) ?? [];
      const state = stateInMirror(record);
      const at = states.indexOf(state, positions.get(record.id) ?? 0);
      if (at >= 0) positions.set(record.id, at);
      else if (states.includes(state)) violate(`I3: ${record.id} went back to ${state}`);
      else violate(`I3: ${record.id} never was ${state}`);
    },
    async checkReported(tables, store, isAcknowledged) {
      // If Stripe has deleted the latest known event of a subscription, the auditor may have missed newer events of the
      // subscription.
      const reported = [...history.lastEvents]
        .filter(([, event]) => isAcknowledged(event) && tables.event.has(event))
        .map(([id]) => id);
      const known = await store.subscriptions.findSubscriptions(reported);
      for (const id of reported) {
        const row = tables.subscription.get(id);
        const record = known.get(id);
        const state = record ? stateInMirror(record) : "unknown";
        if (row && state !== stateAtStripe(row))
          violate(`I4: ${id} is ${state} in the mirror, but the acknowledged events reported ${stateAtStripe(row)}`);
      }
    },
  };
}

type Compare = (subject: string, mirror: unknown, stripe: unknown) => void;

/** Checks that the mirror equals Stripe's data (rule I4). */
export async function checkMirror(tables: Tables, store: Store, violate: Violate): Promise<void> {
  const compare: Compare = (subject, mirror, stripe) => {
    if (JSON.stringify(mirror) !== JSON.stringify(stripe))
      violate(`I4: ${subject} is ${JSON.stringify(mirror)} in the mirror, and ${JSON.stringify(stripe)} in Stripe`);
  };
  await checkCustomers(tables, store, compare);
  const subscriptions = await store.subscriptions.findSubscriptions([...tables.subscription.keys()]);
  for (const [id, row] of tables.subscription) {
    const known = subscriptions.get(id);
    compare(id, known ? stateInMirror(known) : null, stateAtStripe(row));
    compare(`${id} customer`, known?.customerId, row.customer);
    compare(`${id} invoice`, known?.latestInvoiceId, row.latest_invoice);
    const invoice = row.latest_invoice === null ? undefined : tables.invoice.get(row.latest_invoice);
    if (invoice) await checkInvoice(invoice, store, compare);
  }
  await checkReversals(tables, store, compare);
}

async function checkCustomers(tables: Tables, store: Store, compare: Compare): Promise<void> {
  const customers = await store.customers.findCustomers([...tables.customer.keys()]);
  for (const [id, row] of tables.customer) {
    const known = customers.get(id);
    if (isDeleted(row)) {
      if (known) compare(`${id} deleted`, known.deleted, true);
      continue;
    }
    const userId = row.metadata[USER_KEY] ?? null;
    compare(`${id} user`, known?.owner?.id ?? null, userId);
    compare(`${id} default card`, known?.defaultPaymentMethodId, row.invoice_settings.default_payment_method);
    if (userId !== null) compare(`the owner of ${id}`, await store.customers.findOwnerOf(id), userOwner(userId));
  }
}

async function checkInvoice(row: StripeInvoice, store: Store, compare: Compare): Promise<void> {
  const known = await store.subscriptions.findInvoice(row.id);
  compare(row.id, known && [known.status, known.total, known.amountPaid, known.attemptCount], [
    row.status,
    row.total,
    row.amount_paid,
    row.attempt_count,
  ]);
  const next = row.next_payment_attempt === null ? null : row.next_payment_attempt * 1_000;
  compare(`${row.id} next attempt`, known?.nextPaymentAttemptAt, next);
}

async function checkReversals(tables: Tables, store: Store, compare: Compare): Promise<void> {
  const refunds = await store.reversals.findRefunds([...tables.refund.keys()]);
  for (const [id, { status, amount }] of tables.refund) compare(id, stateOf(refunds.get(id)), [status, amount]);
  const disputes = await store.reversals.findDisputes([...tables.dispute.keys()]);
  for (const [id, { status, amount }] of tables.dispute) compare(id, stateOf(disputes.get(id)), [status, amount]);
}

function stateOf(record: { status: string; amount: number } | undefined): [string, number] | null {
  return record ? [record.status, record.amount] : null;
}
