/**
 * The rules that keep the mirror true, each with what takes it away: a text in a file, and what stands there without the rule.
 * `npm run simulate:rules` takes each away in a copy, and plays until the simulation notices.
 */
export interface Rule {
  rule: string;
  file: string;
  text: string;
  without: string;
}

export const RULES: readonly Rule[] = [
  {
    rule: "a lane that was written since its version was read is not written",
    file: "src/store/lanes.ts",
    text: " where lanes.version = excluded.version - 1",
    without: "",
  },
  {
    rule: "of an answer only those hints are done that had come before it was asked for",
    file: "src/store/inbox.ts",
    text: '        .where("state", "=", "pending")\n        .where("seq", "<=", event.upToSeq)',
    without: '        .where("state", "=", "pending")',
  },
  {
    rule: "2xx comes after the commit",
    file: "src/sync/receive-event.ts",
    text: "const added = await options.inbox({ eventId, type, objectId, lane, eventCreatedAt, requestId, body });",
    without:
      "const added = true;\n  options.inbox({ eventId, type, objectId, lane, eventCreatedAt, requestId, body }).catch(() => {});",
  },
  {
    rule: "an event is done in the transaction that writes what it told",
    file: "src/sync/sync.ts",
    text: "  const { store, gateway } = context;\n  return {\n    async object({ object, id, customerId, finish }) {\n",
    without:
      "  const { store, gateway } = context;\n  return {\n    async object({ object, id, customerId, finish: end }) {\n      if (end && !(await end(store))) return;\n      const finish = undefined;\n",
  },
  {
    rule: "what a change means for the app is written with the change",
    file: "src/sync/sync.ts",
    text: "await announce(parts, context, changes);",
    without: "announce(parts, context, changes).catch(() => {});",
  },
  {
    rule: "hooks of one user run in order",
    file: "src/store/queue.ts",
    text: '${table === "inbox" ? dueHints : sql``}\n    order by ${table === "inbox" ? sql`item.run_at,` : sql``} item.seq',
    without: "${dueHints}\n    order by item.run_at, item.seq",
  },
  {
    rule: "a hook that throws is told again",
    file: "src/domain/retry.ts",
    text: 'const over = failure === "refused" ||',
    without: 'const over = failure === "unexpected" || failure === "refused" ||',
  },
  {
    rule: "an outage is never given up",
    file: "src/domain/retry.ts",
    text: "if (over) return",
    without: "if (over || attempt > 3) return",
  },
  {
    rule: "an operation is sent under its recorded key",
    file: "src/actions/operation.ts",
    text: "key: operation.idempotencyKey,",
    without: "key: `${operation.id}${Math.random()}`,",
  },
  {
    rule: "a decision that somebody has overtaken is not acted on",
    file: "src/actions/operation.ts",
    text: 'if (intent.basedOn !== undefined && generation > intent.basedOn) return { kind: "overtaken" };',
    without: "",
  },
  {
    rule: "an operation whose outcome is not known settles nothing",
    file: "src/domain/operations.ts",
    text: 'return current.state === "pending" ? current.generation - 1 : current.generation;',
    without: "return current.generation;",
  },
  {
    rule: "an open checkout is closed before another is opened",
    file: "src/domain/checkout.ts",
    text: 'return { kind: sameIntent(intent, last.intent) ? "continue" : "replace", session: last.session };',
    without:
      'return sameIntent(intent, last.intent) ? { kind: "continue", session: last.session } : { kind: "start" };',
  },
  {
    rule: "who has a live subscription gets no checkout",
    file: "src/domain/checkout.ts",
    text: "if (live) return",
    without: "if (live && live.subscription.id === '') return",
  },
  {
    rule: "what the last checkout made is asked for by its id",
    file: "src/actions/create-checkout-session.ts",
    text: "if (bought !== null) await",
    without: 'if (bought === "") await',
  },
  {
    rule: "a deleted customer loses its user",
    file: "src/sync/sync.ts",
    text: "if (deleted) await unlink(parts, id, now);",
    without: "if (deleted && id === '') await unlink(parts, id, now);",
  },
  {
    rule: "access that time ends is looked at when it ends",
    file: "src/sync/worker.ts",
    text: "const due = await store.grants.listDue(runtime.billingNow(), limit + looking.size);",
    without: "const due = await store.grants.listDue(0, limit + looking.size);",
  },
  {
    rule: "events that never arrived are read from Stripe's list",
    file: "src/sync/missed-events.ts",
    text: "else if (events.length > 0)",
    without: "else if (events.length < 0)",
  },
];
