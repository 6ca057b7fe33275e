/**
 * Lists the rules in the source code that protect the mirror. `npm run simulate:rules` removes each rule in a copy of the
 * source code, and plays schedules until a schedule fails.
 */
export interface Rule {
  rule: string;
  file: string;
  /** The code that implements the rule. The code of the rule occurs exactly once in its source file. */
  text: string;
  /** The code that replaces the code of the rule, so that the rule no longer applies. */
  without: string;
}

export const RULES: readonly Rule[] = [
  {
    rule: "a stale response does not overwrite a lane that was written meanwhile",
    file: "packages/tollkeeper/src/store/mirror/lanes.ts",
    text: " where lanes.version = excluded.version - 1",
    without: "",
  },
  {
    rule: "a response completes only the events that were stored before its request",
    file: "packages/tollkeeper/src/store/queue/inbox.ts",
    text: '          .where("seq", "<=", event.upToSeq)\n',
    without: "",
  },
  {
    rule: "a webhook returns 2xx after its event is committed",
    file: "packages/tollkeeper/src/ingest/receive-event.ts",
    text: "const isNew = await inbox({ eventId, type, objectId, lane, eventCreatedAt, requestId, body });",
    without:
      "const isNew = true;\n  inbox({ eventId, type, objectId, lane, eventCreatedAt, requestId, body }).catch(() => {});",
  },
  {
    rule: "an event is completed in the transaction that writes its changes",
    file: "packages/tollkeeper/src/sync/sync.ts",
    text: "  const { store, gateway } = context;\n  return {\n    async object({ object, id, customerId, finish }) {\n",
    without:
      "  const { store, gateway } = context;\n  return {\n    async object({ object, id, customerId, finish: end }) {\n      if (end && !(await end(store))) return;\n      const finish = undefined;\n",
  },
  {
    rule: "hooks are written in the transaction of the change",
    file: "packages/tollkeeper/src/sync/sync.ts",
    text: "const announced = await announce(parts, context, changes);",
    without:
      "const announced: AfterCommit = { alarms: [], facts: [] };\n  announce(parts, context, changes).catch(() => {});",
  },
  {
    rule: "a payment that the mirror already has is not reported again",
    file: "packages/tollkeeper/src/sync/announce-records.ts",
    text: "  if (previous && previousOutcome && paymentHookId(previous, previousOutcome) === id) return [];\n",
    without: "",
  },
  {
    rule: "the hooks of one user run in order",
    file: "packages/tollkeeper/src/store/queue/queue-lanes.ts",
    text: '${table === "inbox" ? onlyDue : sql``}\n    order by ${table === "inbox" ? sql`item.run_at,` : sql``} item.seq',
    without: "${onlyDue}\n    order by item.run_at, item.seq",
  },
  {
    rule: "a hook that throws is retried",
    file: "packages/tollkeeper/src/domain/retry.ts",
    text: 'const over = failure === "refused" ||',
    without: 'const over = failure === "unexpected" || failure === "refused" ||',
  },
  {
    rule: "work is retried during an outage of any length",
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
    rule: "a decision that a newer operation has outdated is not carried out",
    file: "packages/tollkeeper/src/actions/operation.ts",
    text: 'if (intent.basedOn !== undefined && generation > intent.basedOn) return { kind: "overtaken" };',
    without: "",
  },
  {
    rule: "an operation with an unknown outcome does not outdate decisions",
    file: "packages/tollkeeper/src/domain/operations.ts",
    text: 'return current.state === "pending" ? current.generation - 1 : current.generation;',
    without: "return current.generation;",
  },
  {
    rule: "an open checkout is closed before another is opened",
    file: "packages/tollkeeper/src/domain/checkout.ts",
    text: 'return { kind: last.fingerprint === fingerprint ? "continue" : "replace", session: last.session };',
    without:
      'return last.fingerprint === fingerprint ? { kind: "continue", session: last.session } : { kind: "start" };',
  },
  {
    rule: "a user with a live subscription gets no checkout",
    file: "packages/tollkeeper/src/actions/create-checkout-session.ts",
    text: "if (live) throw",
    without: "if (live && live.subscription.id === '') throw",
  },
  {
    rule: "the subscription of the last checkout is retrieved by its id",
    file: "packages/tollkeeper/src/actions/create-checkout-session.ts",
    text: "if (bought !== null) await",
    without: 'if (bought === "") await',
  },
  {
    rule: "a replica with another account's key does not start",
    file: "packages/tollkeeper/src/domain/account.ts",
    text: "if (remembered === null || changedTo === current)",
    without: "if (remembered !== current)",
  },
  {
    rule: "a process claims only hooks that it handles",
    file: "packages/tollkeeper/src/worker/slots.ts",
    text: "store.outbox.claim(limit, now, now + LEASE_MS, deliverHook.hooks)",
    without:
      'store.outbox.claim(limit, now, now + LEASE_MS, ["onAccessGranted", "onAccessRevoked", "onPaymentSucceeded"])',
  },
  {
    rule: "hooks report the access that a deploy changes",
    file: "packages/tollkeeper/src/reconcile/compare-access.ts",
    text: "if (owners.length > 0) await sync.announceAccess(owners);",
    without: "",
  },
  {
    rule: "a full refund of the current period ends access",
    file: "packages/tollkeeper/src/domain/access.ts",
    text: 'refund === "full" && policy.fullRefund === "end"',
    without: "false",
  },
  {
    rule: "an open dispute ends access",
    file: "packages/tollkeeper/src/domain/access.ts",
    text: 'dispute === "open" && policy.openDispute === "end"',
    without: "false",
  },
  {
    rule: "paused collection ends access with the paid period",
    file: "packages/tollkeeper/src/domain/access.ts",
    text: 'latestInvoice?.status === "paid"',
    without: "true",
  },
  {
    rule: "a customer belongs to the user that its metadata names",
    file: "packages/tollkeeper/src/sync/owners.ts",
    text: 'decision.kind === "link" || decision.kind === "move"',
    without: 'decision.kind === "link"',
  },
  {
    rule: "the user who loses a customer loses its access",
    file: "packages/tollkeeper/src/sync/sync.ts",
    text: "{ owner: before, snapshot: null },",
    without: "",
  },
  {
    rule: "a sweep finds refunds whose events were lost",
    file: "packages/tollkeeper/src/reconcile/sweep-reversals.ts",
    text: "if (!dryRun) await sync.object({ object, id, customerId });",
    without: "",
  },
  {
    rule: "the subscriptions of a deleted customer give no access",
    file: "packages/tollkeeper/src/store/mirror/subscription-states.ts",
    text: '.where((eb) => eb(eb.fn.coalesce("c.deleted", sql.lit(0)), "=", sql.lit(0)))',
    without: '.where("l.mode", "=", mode)',
  },
  {
    rule: "access with an end is checked again at that time",
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
    rule: "an event that was already stored is not processed again",
    file: "packages/tollkeeper/src/store/queue/inbox.ts",
    text: "      where inbox.state = 'dead'\n",
    without: "",
  },
  {
    rule: "a lane has one holder at a time",
    file: "packages/tollkeeper/src/store/queue/queue-lanes.ts",
    text: "and due_at <= ${now} and leased_until <= ${now}\n    order by",
    without: "and due_at <= ${now}\n    order by",
  },
  {
    rule: "a holder without a lease cannot write",
    file: "packages/tollkeeper/src/store/queue/queue.ts",
    text: '    .where("leases", "=", lease);',
    without: "    ;",
  },
  {
    rule: "a webhook without a valid signature is rejected",
    file: "packages/tollkeeper/src/ingest/receive-event.ts",
    text: "if (!verified.valid) return",
    without: "if (!verified.valid && payload.byteLength === 0) return",
  },
  {
    rule: "a webhook with an old signature is rejected",
    file: "packages/tollkeeper/src/stripe/webhook/signature.ts",
    text: 'if (ageMs > toleranceMs) return { valid: false, reason: "too_old" };',
    without: "",
  },
  {
    rule: "a webhook with a signature from the future is rejected",
    file: "packages/tollkeeper/src/stripe/webhook/signature.ts",
    text: 'if (ageMs < -toleranceMs) return { valid: false, reason: "in_the_future" };',
    without: "",
  },
  {
    rule: "an event of the other mode is rejected",
    file: "packages/tollkeeper/src/ingest/receive-event.ts",
    text: 'if (head.mode !== null && head.mode !== mode) return { status: "rejected", reason: "wrong_mode" };',
    without: "",
  },
  {
    rule: "an event of a connected account is ignored",
    file: "packages/tollkeeper/src/ingest/receive-event.ts",
    text: 'if (head.isOfConnectedAccount) return { status: "ignored", ...named, reason: "connected_account" };',
    without: "",
  },
  {
    rule: "a webhook that could not be stored does not return 2xx",
    file: "packages/tollkeeper/src/http/webhook-endpoint.ts",
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
    rule: "an operation is recorded before its request to Stripe",
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
    rule: "an unfinished operation is finished without another request",
    file: "packages/tollkeeper/src/worker/maintenance.ts",
    text: "prune(startedAt), options.finishOperations, catchUp",
    without: "prune(startedAt), catchUp",
  },
  {
    rule: "an operation with an expired idempotency key is looked up before it is repeated",
    file: "packages/tollkeeper/src/domain/operations.ts",
    text: 'return now < current.keyEndsAt ? "retry" : "look_up";',
    without: 'return "retry";',
  },
  {
    rule: "an empty list is trusted only after the time in which lists can lag",
    file: "packages/tollkeeper/src/actions/operation.ts",
    text: "    if (!isEmptyListConclusive(operation, searchedAt)) throw outcomeUnknown();\n",
    without: "",
  },
  {
    rule: "an operation's idempotency key is replaced by one caller only",
    file: "packages/tollkeeper/src/store/operations.ts",
    text: '        .where("idempotencyKey", "=", from)\n',
    without: "",
  },
  {
    rule: "an operation's outcome is written once",
    file: "packages/tollkeeper/src/store/operations.ts",
    text: '        .where(isState("pending"))\n        .executeTakeFirst();\n      return finished',
    without: "        .executeTakeFirst();\n      return finished",
  },
  {
    rule: "a stored customer is retrieved before it is used",
    file: "packages/tollkeeper/src/actions/ensure-customer.ts",
    text: "return isOwn && !current.deleted ? customerId : null;",
    without: "return current ? customerId : null;",
  },
  {
    rule: "a customer's subscriptions are read to the last page",
    file: "packages/tollkeeper/src/stripe/gateway/subscriptions.ts",
    text: ".autoPagingToArray({ limit: MAX_LISTED });\n        return Promise.all(listed",
    without: ".then(({ data }) => data);\n        return Promise.all(listed",
  },
  {
    rule: "a swept list is read to the last page",
    file: "packages/tollkeeper/src/reconcile/read-ranges.ts",
    text: "const cursor = { after: page.next,",
    without: "page.next = null;\n        const cursor = { after: page.next,",
  },
  {
    rule: "the list of events is read to the last page",
    file: "packages/tollkeeper/src/reconcile/missed-events.ts",
    text: "gateway.listEventPage(some, range, after),",
    without: "gateway.listEventPage(some, range, after).then((page) => ({ ...page, next: null })),",
  },
  {
    rule: "all lists are swept once a day",
    file: "packages/tollkeeper/src/reconcile/reconcile.ts",
    text: "sweeping: options.sweep ?? isDue,",
    without: "sweeping: options.sweep ?? false,",
  },
  {
    rule: "an object of the mirror that is missing from the lists is retrieved",
    file: "packages/tollkeeper/src/reconcile/sweep-lists.ts",
    text: "await retrieveUnlisted(context, list, page);",
    without: "",
  },
  {
    rule: "a swept list does not overwrite what was written meanwhile",
    file: "packages/tollkeeper/src/sync/sync.ts",
    text: "[...snapshots].map(([lane, snapshot]) => ({ lane, snapshot, version: versions.get(lane) ?? 0 }));",
    without:
      "await Promise.all([...snapshots].map(async ([lane, snapshot]) => ({ lane, snapshot, version: await store.lanes.versionOf(lane) })));",
  },
  {
    rule: "a swept list leaves newer events pending",
    file: "packages/tollkeeper/src/store/queue/inbox.ts",
    text: '      eb("seq", "<=", upToSeq),\n',
    without: "",
  },
  {
    rule: "a page of renewals leaves newer events pending",
    file: "packages/tollkeeper/src/reconcile/catch-up.ts",
    text: "handleSubscriptionPage(context, page, rows, upToSeq);",
    without: "handleSubscriptionPage(context, page, rows, Number.MAX_SAFE_INTEGER);",
  },
];
