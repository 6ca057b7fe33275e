/**
 * Derives the correct state of the service from Stripe's data, and records every violation. The auditor is independent of the
 * code that it checks: it reads the emulator's tables, and has separate rules for the mirror, the hooks and access.
 */
import type { Emulator } from "../../packages/emulator/src/index.ts";
import type { Store } from "../../packages/tollkeeper/src/store/store.ts";
import type { AuditedPlan, HookEvent, Tables, Violate, Write } from "./audit-types.ts";
import { createEventAuditor } from "./event-auditor.ts";
import { createHookAuditor } from "./hook-auditor.ts";
import { createLeaseAuditor } from "./lease-auditor.ts";
import { checkMirror, createMirrorAuditor } from "./mirror-auditor.ts";
import { createOperationAuditor, type Intent } from "./operation-auditor.ts";
import { entitledFeatures } from "./stripe-books.ts";
import { createStripeHistory } from "./stripe-history.ts";
import type { MirrorSubscription } from "./subscription-state.ts";

export interface Auditor {
  violations: string[];
  /** Returns true if the customer's metadata has named several users. */
  isMoved(customerId: string): boolean;
  /** Records all changes of Stripe's data since the last call of `update`. */
  update(): void;
  /** Call this function when the service has committed a transaction, or a single write outside a transaction. */
  committed(writes: readonly Write[]): void;
  /** Call this function when the service has responded to a webhook with 2xx. */
  acknowledged(eventId: string): void;
  /** Call this function when the test sends a delivery that every replica must reject or ignore. */
  forged(eventId: string): void;
  /** Call this function when a hook of the app has run without an error. */
  hookRan(hook: string, event: HookEvent): void;
  /**
   * Call this function when the database was restored from a backup that was made at the instant `backupAt`. The service has
   * forgotten what happened since then, so the auditor exempts the users, hooks and operations of that time from some rules.
   */
  restored(backupAt: number): void;
  /** Checks the rules that must hold at every moment when no replica writes to the store. */
  check(store: Store, situation: Situation): Promise<void>;
  /** Checks the rules that apply after all faults have ended and a reconcile has run. */
  checkEnd(store: Store, end: End): Promise<void>;
  /** Checks that log lines contain no secret and no personal data. */
  checkLog(lines: readonly string[]): void;
}

export interface Situation {
  /** True if the replicas have received every event from Stripe. */
  isSettled: boolean;
  /** True if the replicas have run without faults since the clock last moved. */
  isCalm: boolean;
}

export interface End {
  featuresOf(userId: string): Promise<string[]>;
  /** True if Stripe delivered every event to the service. */
  isComplete: boolean;
  /** True if so much time has passed that the service must have finished all operations. */
  operationsFinished: boolean;
}

const FORBIDDEN_IN_LOGS = [/sk_test_\w/, /whsec_\w/, /@example\.com/, /\b4242424242424242\b/, /_secret_\w/];
const MAX_LOG_TEXT = 200;

export function createAuditor(emulator: Emulator, plans: readonly AuditedPlan[]): Auditor {
  const violations: string[] = [];
  const violate: Violate = (text) => {
    if (!violations.includes(text)) violations.push(text);
  };
  const now = (): number => emulator.now();
  const history = createStripeHistory(emulator, violate);
  const shared = { history, plans, now, violate };
  const createParts = (hooks: Parts["hooks"]): Parts => ({
    leases: createLeaseAuditor(violate),
    events: createEventAuditor(now, violate),
    hooks,
    operations: createOperationAuditor(shared),
    mirror: createMirrorAuditor(history, violate),
  });
  let parts = createParts(createHookAuditor(shared));
  return {
    violations,
    isMoved: history.isMoved,
    update: history.update,
    acknowledged: (eventId) => parts.events.acknowledged(eventId),
    forged: (eventId) => parts.events.forged(eventId),
    hookRan: (hook, event) => parts.hooks.ran(hook, event),
    committed(writes) {
      if (
        writes.some(({ method }) => method === "subscriptions.saveSubscriptions" || method === "announcedAccess.save")
      )
        history.update();
      for (const write of writes) recordWrite(parts, write);
    },
    restored(backupAt) {
      history.restored(backupAt);
      parts.hooks.restored(backupAt);
      parts = createParts(parts.hooks);
    },
    async check(store, situation) {
      history.update();
      await check(parts, history.tables(), { store, situation, violate });
    },
    checkEnd: (store, end) => checkEnd({ ...shared, ...parts }, store, end),
    checkLog: (lines) => checkLog(lines, violate),
  };
}

interface CheckInput {
  store: Store;
  situation: Situation;
  violate: Violate;
}

async function check(
  { events, hooks, mirror, operations }: Parts,
  tables: Tables | null,
  { store, situation, violate }: CheckInput,
): Promise<void> {
  const { pending, dead } = await store.inbox.countByState();
  // If no event is pending, the mirror must be correct, because no later event will repair it.
  const isDone = tables !== null && pending === 0 && dead === 0;
  if (isDone && situation.isSettled) {
    await checkMirror(tables, store, violate);
    if (situation.isCalm) await hooks.checkAccess(tables, store);
  }
  if (isDone) await mirror.checkReported(tables, store, events.isAcknowledged);
  await operations.check(store);
  await events.check(store);
}

async function checkEnd(
  { history, plans, now, violate, hooks, operations }: Parts & Shared,
  store: Store,
  { featuresOf, isComplete, operationsFinished }: End,
): Promise<void> {
  history.update();
  const tables = history.tables();
  if (!tables) return;
  await checkMirror(tables, store, violate);
  for (const userId of history.users) {
    const expected = entitledFeatures(tables, plans, userId, now());
    const actual = (await featuresOf(userId)).toSorted();
    if (actual.join() !== expected.join())
      violate(`I8: ${userId} has [${actual.join()}], but is entitled to [${expected.join()}]`);
    hooks.checkFeatures(userId, actual);
  }
  if (operationsFinished) await operations.checkEnd(store);
  if (isComplete) hooks.checkPayments(tables);
  const { dead, pending } = await store.inbox.countByState();
  if (dead > 0) violate(`I4: ${dead} events are dead letters`);
  if (pending > 0) violate(`I4: ${pending} events are pending for no reason`);
}

type Shared = Parameters<typeof createHookAuditor>[0];

interface Parts {
  leases: ReturnType<typeof createLeaseAuditor>;
  events: ReturnType<typeof createEventAuditor>;
  hooks: ReturnType<typeof createHookAuditor>;
  operations: ReturnType<typeof createOperationAuditor>;
  mirror: ReturnType<typeof createMirrorAuditor>;
}

function checkLog(lines: readonly string[], violate: Violate): void {
  for (const line of lines)
    for (const pattern of FORBIDDEN_IN_LOGS)
      if (pattern.test(line)) violate(`I10: a log line contains ${pattern.source}: ${line.slice(0, MAX_LOG_TEXT)}`);
}

function recordWrite({ leases, events, hooks, operations, mirror }: Parts, write: Write): void {
  const { method, args, result } = write;
  leases.record(write);
  if (method === "operations.begin" && result === true) operations.begun(args[0] as Intent);
  if (method === "outbox.complete" && result === true) hooks.completed((args[0] as { id: string }).id);
  if (method === "operations.finish") operations.finished(args as string[]);
  if (method === "inbox.complete" && result !== null) events.completed((args[0] as { eventId: string }).eventId);
  if (method === "subscriptions.saveSubscriptions")
    for (const record of args[0] as MirrorSubscription[]) mirror.saved(record);
  if (method === "announcedAccess.save")
    for (const { owner, features } of args[0] as { owner: { id: string }; features: string[] }[])
      hooks.granted(owner.id, features);
}
