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
    file: "packages/tollkeeper/src/store/mirror/lanes.ts",
    text: " where lanes.version = excluded.version - 1",
    without: "",
  },
  {
    rule: "of an answer only those hints are done that had come before it was asked for",
    file: "packages/tollkeeper/src/store/queue/inbox.ts",
    text: '          .where("seq", "<=", event.upToSeq)\n',
    without: "",
  },
  {
    rule: "2xx comes after the commit",
    file: "packages/tollkeeper/src/ingest/receive-event.ts",
    text: "const isNew = await inbox({ eventId, type, objectId, lane, eventCreatedAt, requestId, body });",
    without:
      "const isNew = true;\n  inbox({ eventId, type, objectId, lane, eventCreatedAt, requestId, body }).catch(() => {});",
  },
  {
    rule: "an event is done in the transaction that writes what it told",
    file: "packages/tollkeeper/src/sync/sync.ts",
    text: "  const { store, gateway } = context;\n  return {\n    async object({ object, id, customerId, finish }) {\n",
    without:
      "  const { store, gateway } = context;\n  return {\n    async object({ object, id, customerId, finish: end }) {\n      if (end && !(await end(store))) return;\n      const finish = undefined;\n",
  },
  {
    rule: "what a change means for the app is written with the change",
    file: "packages/tollkeeper/src/sync/sync.ts",
    text: "await announce(parts, context, [...changes, ...next]);",
    without: "announce(parts, context, [...changes, ...next]).catch(() => {});",
  },
  {
    rule: "a payment that the mirror knows of is not told again",
    file: "packages/tollkeeper/src/sync/announce.ts",
    text: "  if (before && outcomeBefore && paymentHookId(before, outcomeBefore) === id) return [];\n",
    without: "",
  },
  {
    rule: "hooks of one user run in order",
    file: "packages/tollkeeper/src/store/queue/queue.ts",
    text: '${table === "inbox" ? dueHints : sql``}\n    order by ${table === "inbox" ? sql`item.run_at,` : sql``} item.seq',
    without: "${dueHints}\n    order by item.run_at, item.seq",
  },
  {
    rule: "a hook that throws is told again",
    file: "packages/tollkeeper/src/domain/retry.ts",
    text: 'const over = failure === "refused" ||',
    without: 'const over = failure === "unexpected" || failure === "refused" ||',
  },
  {
    rule: "an outage is never given up",
    file: "packages/tollkeeper/src/domain/retry.ts",
    text: "if (over) return",
    without: "if (over || attempt > 3) return",
  },
  {
    rule: "an operation is sent under its recorded key",
    file: "packages/tollkeeper/src/actions/operation.ts",
    text: "key: { value: operation.idempotencyKey, endsAt",
    without: "key: { value: `${operation.id}${Math.random()}`, endsAt",
  },
  {
    rule: "a decision that somebody has overtaken is not acted on",
    file: "packages/tollkeeper/src/actions/operation.ts",
    text: 'if (intent.basedOn !== undefined && generation > intent.basedOn) return { kind: "overtaken" };',
    without: "",
  },
  {
    rule: "an operation whose outcome is not known settles nothing",
    file: "packages/tollkeeper/src/domain/operations.ts",
    text: 'return current.state === "pending" ? current.generation - 1 : current.generation;',
    without: "return current.generation;",
  },
  {
    rule: "an open checkout is closed before another is opened",
    file: "packages/tollkeeper/src/domain/checkout.ts",
    text: 'return { kind: sameIntent(intent, last.intent) ? "continue" : "replace", session: last.session };',
    without:
      'return sameIntent(intent, last.intent) ? { kind: "continue", session: last.session } : { kind: "start" };',
  },
  {
    rule: "who has a live subscription gets no checkout",
    file: "packages/tollkeeper/src/domain/checkout.ts",
    text: "if (live) return",
    without: "if (live && live.subscription.id === '') return",
  },
  {
    rule: "what the last checkout made is asked for by its id",
    file: "packages/tollkeeper/src/actions/create-checkout-session.ts",
    text: "if (bought !== null) await",
    without: 'if (bought === "") await',
  },
  {
    rule: "a deleted customer loses its user",
    file: "packages/tollkeeper/src/sync/sync.ts",
    text: "if (deleted) next.push(...(await unlink(parts, id, now)));",
    without: "if (deleted && id === '') next.push(...(await unlink(parts, id, now)));",
  },
  {
    rule: "access that time ends is looked at when it ends",
    file: "packages/tollkeeper/src/store/queue/due-work.ts",
    text: "check_at <= ${billingNow}",
    without: "check_at <= 0",
  },
  {
    rule: "events that never arrived are read from Stripe's list",
    file: "packages/tollkeeper/src/reconcile/missed-events.ts",
    text: "if (rows.length === 0) return;",
    without: "if (rows.length >= 0) return;",
  },
  {
    rule: "an event that has come before is not worked on again",
    file: "packages/tollkeeper/src/store/queue/inbox.ts",
    text: "      where inbox.state = 'dead'\n",
    without: "",
  },
  {
    rule: "one lane is worked on by one at a time",
    file: "packages/tollkeeper/src/store/queue/queue.ts",
    text: "and due_at <= ${now} and leased_until <= ${now}\n    order by",
    without: "and due_at <= ${now}\n    order by",
  },
  {
    rule: "who has lost a lease has no say any more",
    file: "packages/tollkeeper/src/store/queue/queue.ts",
    text: '    .where("leases", "=", lease);',
    without: "    ;",
  },
  {
    rule: "what nobody has signed is refused",
    file: "packages/tollkeeper/src/ingest/receive-event.ts",
    text: "if (!verified.valid) return",
    without: "if (!verified.valid && payload.byteLength === 0) return",
  },
  {
    rule: "what was signed long ago is refused",
    file: "packages/tollkeeper/src/stripe/webhook/signature.ts",
    text: 'if (ageMs > toleranceMs) return { valid: false, reason: "too_old" };',
    without: "",
  },
  {
    rule: "what was signed in the future is refused",
    file: "packages/tollkeeper/src/stripe/webhook/signature.ts",
    text: 'if (ageMs < -toleranceMs) return { valid: false, reason: "in_the_future" };',
    without: "",
  },
  {
    rule: "events of the other mode are refused",
    file: "packages/tollkeeper/src/ingest/receive-event.ts",
    text: 'if (envelope.mode !== mode) return { status: "rejected", reason: "wrong_mode" };',
    without: "",
  },
  {
    rule: "events of a connected account are left alone",
    file: "packages/tollkeeper/src/ingest/receive-event.ts",
    text: 'if (envelope.account !== null) return { status: "ignored", eventId, reason: "connected_account" };',
    without: "",
  },
  {
    rule: "what could not be stored is not answered 2xx",
    file: "packages/tollkeeper/src/ingest/webhook-endpoint.ts",
    text: "  unavailable: 503,\n",
    without: "  unavailable: 200 as 503,\n",
  },
  {
    rule: "an operation begins once",
    file: "packages/tollkeeper/src/actions/operation.ts",
    text: "if (!(await store.operations.begin(operation))) continue;",
    without: "await store.operations.begin(operation);",
  },
  {
    rule: "an operation is recorded before Stripe is asked",
    file: "packages/tollkeeper/src/actions/operation.ts",
    text: "if (!(await store.operations.begin(operation))) continue;",
    without: "",
  },
  {
    rule: "an unfinished operation is finished before another begins",
    file: "packages/tollkeeper/src/domain/operations.ts",
    text: 'if (current?.state !== "pending") return "begin";',
    without: 'if (current?.id !== "") return "begin";',
  },
  {
    rule: "an unfinished operation is finished though nobody comes back",
    file: "packages/tollkeeper/src/worker/maintenance.ts",
    text: "    await options.finishOperations();\n",
    without: "",
  },
  {
    rule: "what Stripe may have forgotten is looked for before it is done again",
    file: "packages/tollkeeper/src/domain/operations.ts",
    text: 'return now < current.keyEndsAt ? "retry" : "look_up";',
    without: 'return "retry";',
  },
  {
    rule: "a list without what an operation makes is believed once lists have caught up",
    file: "packages/tollkeeper/src/actions/operation.ts",
    text: '    if (!showsNothing(operation, askedAt)) throw inProgress("a few minutes");\n',
    without: "",
  },
  {
    rule: "an operation's key is replaced by one caller alone",
    file: "packages/tollkeeper/src/store/operations.ts",
    text: '        .where("idempotencyKey", "=", from)\n',
    without: "",
  },
  {
    rule: "an operation's outcome is written once",
    file: "packages/tollkeeper/src/store/operations.ts",
    text: '        .where(isState("pending"))\n        .execute();\n    },\n  };',
    without: "        .execute();\n    },\n  };",
  },
  {
    rule: "a customer is looked at before it is believed",
    file: "packages/tollkeeper/src/actions/ensure-customer.ts",
    text: "return current && !current.customer.deleted && current.customer.userId === userId ? customerId : null;",
    without: "return current ? customerId : null;",
  },
  {
    rule: "a customer's subscriptions are read to the last page",
    file: "packages/tollkeeper/src/stripe/gateway/gateway.ts",
    text: ".autoPagingToArray({ limit: MAX_LISTED });\n        return Promise.all(listed",
    without: ".then(({ data }) => data);\n        return Promise.all(listed",
  },
  {
    rule: "a swept list is read to the last page",
    file: "packages/tollkeeper/src/reconcile/read-ranges.ts",
    text: "const place = { after: page.next,",
    without: "page.next = null;\n        const place = { after: page.next,",
  },
  {
    rule: "the list of events is read to the last page",
    file: "packages/tollkeeper/src/reconcile/missed-events.ts",
    text: "gateway.listEventPage(some, range, after),",
    without: "gateway.listEventPage(some, range, after).then((page) => ({ ...page, next: null })),",
  },
  {
    rule: "everything is read once a day",
    file: "packages/tollkeeper/src/reconcile/reconcile.ts",
    text: "sweeping: options.sweep ?? isDue,",
    without: "sweeping: options.sweep ?? false,",
  },
  {
    rule: "what the mirror has and no list tells of is asked about",
    file: "packages/tollkeeper/src/reconcile/sweep-lists.ts",
    text: "await askAboutUnseen(context, sweeping);",
    without: "",
  },
  {
    rule: "a swept list does not overwrite what was written meanwhile",
    file: "packages/tollkeeper/src/sync/sync.ts",
    text: "[...snapshots].map(([lane, snapshot]) => ({ lane, snapshot, version: versions.get(lane) ?? 0 })),",
    without:
      "await Promise.all([...snapshots].map(async ([lane, snapshot]) => ({ lane, snapshot, version: await store.lanes.versionOf(lane) }))),",
  },
  {
    rule: "a swept list leaves newer hints to be worked on",
    file: "packages/tollkeeper/src/store/queue/inbox.ts",
    text: '      eb("seq", "<=", upToSeq),\n',
    without: "",
  },
  {
    rule: "a page of renewals leaves newer hints to be worked on",
    file: "packages/tollkeeper/src/reconcile/catch-up.ts",
    text: "await handle(rows, upToSeq);",
    without: "await handle(rows, Number.MAX_SAFE_INTEGER);",
  },
];
