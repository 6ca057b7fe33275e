/** Checks the hooks of the app against the rules I2, I8 and I9. */
import type { Store } from "../../packages/tollkeeper/src/store/store.ts";
import { DAY_MS, PENDING_MS, type AuditedPlan, type HookEvent, type Tables, type Violate } from "./audit-types.ts";
import { entitledFeatures, paidInvoices, reportableReversals } from "./stripe-books.ts";
import type { StripeHistory } from "./stripe-history.ts";

export interface HookAuditor {
  /** Call this function when a hook has run without an error. */
  ran(hook: string, event: HookEvent): void;
  /** Call this function when the outbox has marked a hook as done. */
  completed(id: string): void;
  /**
   * Call this function when the service's database was restored from a backup that was made at the instant `backupAt`. The hooks
   * that ran since then may run again. The service does not know the access that these hooks granted or revoked.
   */
  restored(backupAt: number): void;
  /** Checks that every user to whom a hook grants features has or had a subscription (rule I8). */
  granted(userId: string, features: readonly string[]): void;
  /**
   * Checks that hooks have granted exactly the user's current features if no hook is pending (rule I8). Hooks may not yet have
   * revoked access that ended a short time ago.
   */
  checkAccess(tables: Tables, store: Store): Promise<void>;
  /** Checks that hooks have granted exactly the given features (rule I2). */
  checkFeatures(userId: string, features: readonly string[]): void;
  /** Checks that hooks have reported every payment, refund and open dispute (rule I2). */
  checkPayments(tables: Tables): void;
}

const EVER_ENTITLING = new Set(["trialing", "active", "past_due", "canceled"]);

export interface HookAuditorOptions {
  history: StripeHistory;
  plans: readonly AuditedPlan[];
  now(): number;
  violate: Violate;
}

export function createHookAuditor(options: HookAuditorOptions): HookAuditor {
  const { history, now, violate } = options;
  /** Maps each hook to the content that it had when it first ran. */
  const contents = new Map<string, string>();
  /** Maps each hook to the time at which the outbox completed it. */
  const completedAt = new Map<string, number>();
  /** Maps each user to the features that hooks have granted and not revoked. */
  const features = new Map<string, Set<string>>();
  /** Contains the paid invoices, the refunds and the opened disputes that hooks have reported. */
  const reportedPayments = new Set<string>();
  /** Maps each hook to the time at which it ran for the first time. */
  const ranAt = new Map<string, number>();
  /** Maps each user to the time at which a hook last changed the user's features. */
  const changedAt = new Map<string, number>();
  /** The hooks and the users' access that the service has forgotten, because its database was restored. */
  const forgotten = { hooks: new Set<string>(), users: new Set<string>() };
  const grantedTo = (userId: string): string[] => [...(features.get(userId) ?? [])].toSorted();

  return {
    ran(hook, event) {
      const { id, owner, features: changed = [] } = event;
      // A forgotten payment may be reported again, to the owner to whom its customer was moved meanwhile.
      const isForgotten = forgotten.hooks.has(id);
      const [content, before] = [JSON.stringify(event), contents.get(id)];
      if (before !== undefined && before !== content && !isForgotten)
        violate(`I2: hook ${id} ran twice with different contents`);
      // A frozen replica may run a completed hook again, but not more than a day after its completion.
      if (now() - (completedAt.get(id) ?? Infinity) > DAY_MS && !isForgotten)
        violate(`I2: hook ${id} ran again long after its end`);
      contents.set(id, content);
      if (before !== undefined) return;
      ranAt.set(id, now());
      const reported = reportedBy(hook, event);
      if (reported !== null) reportedPayments.add(reported);
      if (hook === "onPaymentSucceeded" && event.invoiceId) checkPayment(options, owner.id, event.invoiceId);
      if (changed.length > 0) changedAt.set(owner.id, now());
      features.set(owner.id, applyHook(features.get(owner.id) ?? new Set(), hook, changed));
    },
    restored(backupAt) {
      for (const [id, at] of [...ranAt, ...completedAt]) if (at >= backupAt) forgotten.hooks.add(id);
      for (const [userId, at] of changedAt) if (at >= backupAt) forgotten.users.add(userId);
    },
    completed: (id) => void completedAt.set(id, now()),
    granted: (userId, changed) => checkGrant(options, userId, changed),
    async checkAccess(tables, store) {
      const { pending, dead } = await store.outbox.countByState();
      if (pending > 0 || dead > 0) return;
      for (const userId of history.users)
        if (!forgotten.users.has(userId)) checkGranted(options, tables, userId, grantedTo(userId));
    },
    checkFeatures(userId, expected) {
      const granted = grantedTo(userId).join();
      if (granted !== expected.join() && !forgotten.users.has(userId))
        violate(`I2: hooks granted [${granted}] to ${userId}, but the user has [${expected.join()}]`);
    },
    checkPayments: (tables) => checkReported(tables, reportedPayments, violate),
  };
}

function checkGrant({ history, violate }: HookAuditorOptions, userId: string, changed: readonly string[]): void {
  if (changed.length > 0 && !everHadAccess(history, userId))
    violate(`I8: ${userId} got ${changed.join(", ")} without a payment`);
}

/** Checks that the features that hooks granted to a user are those of the user now, or those of a short time ago. */
function checkGranted(
  { plans, now, violate }: HookAuditorOptions,
  tables: Tables,
  userId: string,
  features: readonly string[],
): void {
  const granted = features.join();
  const [current, recent] = [0, PENDING_MS].map((ms) => entitledFeatures(tables, plans, userId, now() - ms).join());
  if (granted !== current && granted !== recent)
    violate(`I8: hooks granted [${granted}] to ${userId}, but the user is entitled to [${current}]`);
}

/** Returns the features that a user has after a hook. */
function applyHook(features: ReadonlySet<string>, hook: string, changed: readonly string[]): Set<string> {
  if (hook === "onAccessGranted") return new Set([...features, ...changed]);
  return new Set([...features].filter((feature) => hook !== "onAccessRevoked" || !changed.includes(feature)));
}

/** Returns the id of the paid invoice, the refund or the new dispute that a hook reports; null for other hooks. */
function reportedBy(hook: string, { invoiceId, refundId, disputeId, outcome }: HookEvent): string | null {
  if (hook === "onPaymentSucceeded") return invoiceId ?? null;
  if (hook === "onRefund" && outcome === "refunded") return refundId ?? null;
  return hook === "onDispute" && outcome === "open" ? (disputeId ?? null) : null;
}

/** Checks that hooks have reported each paid invoice, refund and open dispute. */
function checkReported(tables: Tables, reported: ReadonlySet<string>, violate: Violate): void {
  for (const id of paidInvoices(tables)) if (!reported.has(id)) violate(`I2: no hook reported that ${id} is paid`);
  const { refunds, disputes } = reportableReversals(tables);
  for (const id of [...refunds, ...disputes]) if (!reported.has(id)) violate(`I2: no hook reported ${id}`);
}

/** Checks a payment that a hook reported. The payment must exist at Stripe and belong to the hook's user. */
function checkPayment({ history, violate }: HookAuditorOptions, userId: string, invoiceId: string): void {
  const known = history.lastTables()?.invoice.get(invoiceId);
  // The check needs only the recorded status of the invoice, because a paid invoice stays paid.
  const invoice = known?.status === "paid" ? known : history.tables()?.invoice.get(invoiceId);
  if (invoice?.status !== "paid") violate(`I8: a hook reported to ${userId} that ${invoiceId} is paid, but it is not`);
  else if (!history.owners.get(invoice.customer)?.has(userId))
    violate(`I9: a hook reported ${invoiceId} to ${userId}, but it belongs to another user`);
}

function everHadAccess(history: StripeHistory, userId: string): boolean {
  const tables = history.tables();
  if (!tables) return true;
  return [...history.states].some(([id, states]) => {
    const owner = tables.subscription.get(id)?.customer;
    return (
      owner !== undefined &&
      history.owners.get(owner)?.has(userId) === true &&
      states.some((state) => EVER_ENTITLING.has(state.split(" ")[0] ?? ""))
    );
  });
}
