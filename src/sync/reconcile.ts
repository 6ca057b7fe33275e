/**
 * Makes sure that the mirror is true whatever was lost: first the events since the last time, which Stripe keeps for 30 days,
 * then a sweep of all customers, subscriptions and open invoices. Differences are reported field by field, and repaired by
 * the same writer as everything else. One replica does it at a time; where it dies, another goes on from its last page.
 */
import { compareRecords, type Drift } from "../domain/drift.ts";
import type { CustomerRecord, ProductRecord, SubscriptionRecord } from "../domain/records.ts";
import { TollkeeperError } from "../errors.ts";
import type { Runtime } from "../runtime.ts";
import type {
  CreatedRange,
  EndpointRecord,
  ListedCustomer,
  ListedSubscription,
  Page,
  StripeGateway,
} from "../stripe/gateway.ts";
import { ALLOWED_WEBHOOK_EVENTS, type SyncedObject } from "../stripe/event-types.ts";
import type { Envelope } from "../stripe/envelope.ts";
import type { Store } from "../store/database.ts";
import { laneOf } from "./receive-event.ts";
import { empty, type Snapshot } from "./retrieve.ts";
import { openRange, sweep, type OpenRange } from "./sweep.ts";
import type { Sync } from "./sync.ts";

export interface ReconcileContext {
  store: Store;
  /** For background work: user-facing calls go before it. */
  gateway: StripeGateway;
  sync: Sync;
  runtime: Runtime;
  /** Where Stripe's webhooks arrive, as far as it is known: the path that an endpoint's URL ends with. */
  webhookPath: string;
  apiVersion: string;
}

export interface ReconcileOptions {
  /** Events from then on, epoch milliseconds. Default: since the last time, at most the 30 days that Stripe keeps. */
  since?: number | undefined;
  /** Whether everything is read, too. Default: when that was not done for a day, or events alone can't tell. */
  sweep?: boolean | undefined;
  /** Reports and repairs nothing. Default false. */
  dryRun?: boolean | undefined;
  /** Ends it at the next page; what was done stays done, and the next one goes on. */
  signal?: AbortSignal | undefined;
  /** Told as the work goes on. */
  onProgress?: ((progress: ReconcileProgress) => void) | undefined;
}

export interface ReconcileProgress {
  step: "events" | SweptList;
  /** How many were read so far. */
  read: number;
}

export interface ReconcileReport {
  /** Events that Stripe has, and those among them that had not arrived. */
  events: { read: number; missed: number };
  /** Objects read by the sweep; null where there was none. */
  swept: Record<SweptList, number> | null;
  /** What was found different by the sweep, and has been repaired unless it was a dry run. */
  drift: Drift[];
  /** How many differences there were: `drift` holds the first thousand. */
  differences: number;
  /** What a person should look at in Stripe's dashboard. */
  alarms: string[];
}

const SWEPT_LISTS = ["customers", "subscriptions", "open_invoices"] as const;
export type SweptList = (typeof SWEPT_LISTS)[number];

const DAY_MS = 86_400_000;
/** Stripe keeps events this long; a little less is sure. */
const EVENTS_KEPT_MS = 29 * DAY_MS;
/** Events are asked for again from before the last time: Stripe may list one late. */
const OVERLAP_MS = 3_600_000;
const SWEEP_EVERY_MS = DAY_MS;
/** With more events missed than this, everything is read. */
const SWEEP_ABOVE_MISSED = 500;
/** How long missed events wait for a sweep, which answers most of them with fewer requests. */
const SWEEP_HEAD_START_MS = 600_000;
/** Stripe takes at most 20 types in one list. */
const TYPES_PER_LIST = 20;
/** How many ranges are read at once; the budget of requests bounds them all. */
const READERS = 16;
/** Nothing at Stripe is older. */
const STRIPE_BEGAN = Date.UTC(2011, 0, 1);
/** Whoever is silent for so long has died. */
const LEASE_MS = 60_000;
/** Under this name it is noted when it was last finished. */
export const RECONCILE_TASK = "reconcile";
/** How many objects are asked about one by one at once. */
const SINGLES_AT_ONCE = 8;
/** What is kept of a report: past this it is only counted. */
const MAX_REPORTED_DRIFT = 1_000;

/** What an unfinished run has noted. */
interface Progress {
  startedAt: number;
  sweeping: boolean;
  events: { read: number; missed: number } | null;
  lists: Partial<Record<SweptList, { read: number; left: OpenRange[] }>>;
}

export interface Reconcile {
  /** Null where another replica is at it, or it was told to end. Throws `UnavailableError` when Stripe or the store can't go on. */
  (options?: ReconcileOptions): Promise<ReconcileReport | null>;
}

export function createReconcile(context: ReconcileContext): Reconcile {
  const { store, runtime } = context;
  return async (options = {}) => {
    const { signal } = options;
    if (options.dryRun) return run(context, options, { before: null, note: async () => signal?.throwIfAborted() });
    const holder = runtime.newId();
    const task = await store.tasks.take(RECONCILE_TASK, holder, runtime.now(), runtime.now() + LEASE_MS);
    if (task === null) return null;
    let latest = task.progress;
    const hold = async (): Promise<void> => {
      signal?.throwIfAborted();
      if (!(await store.tasks.note(RECONCILE_TASK, holder, runtime.now() + LEASE_MS, latest)))
        throw new TakenOverError();
    };
    const heart = new AbortController();
    keepHolding(context, hold, heart.signal).catch((error: unknown) =>
      runtime.log.warn({ error: String(error) }, "the reconcile's lease could not be renewed"),
    );
    try {
      const report = await run(context, options, {
        before: task,
        note: (progress) => {
          latest = JSON.stringify(progress);
          return hold();
        },
      });
      await store.tasks.finish(RECONCILE_TASK, holder, report.startedAt);
      return report;
    } catch (error) {
      if (error instanceof TakenOverError) return null;
      await store.tasks.release(RECONCILE_TASK, holder).catch(() => {});
      if (signal?.aborted) return null;
      throw error;
    } finally {
      heart.abort();
    }
  };
}

/** A page may take longer than a lease. */
async function keepHolding({ runtime }: ReconcileContext, hold: () => Promise<void>, stop: AbortSignal): Promise<void> {
  for (;;) {
    await runtime.sleep(LEASE_MS / 3, stop);
    if (stop.aborted) return;
    await hold();
  }
}

/** Another replica took this one for dead, and goes on with the work. */
class TakenOverError extends Error {
  override readonly name = "TakenOverError";
}

interface Run {
  before: { progress: string | null; finishedAt: number | null } | null;
  note(progress: Progress): Promise<void>;
}

async function run(
  context: ReconcileContext,
  options: ReconcileOptions,
  { before, note }: Run,
): Promise<ReconcileReport & { startedAt: number }> {
  const now = context.runtime.now();
  const resumed = before?.progress ? (JSON.parse(before.progress) as Progress) : null;
  const finishedAt = before?.finishedAt ?? null;
  const lastSweep = (await context.store.tasks.find(SWEEP_TASK))?.finishedAt ?? null;
  const since = Math.max(options.since ?? (finishedAt ?? 0) - OVERLAP_MS, now - EVENTS_KEPT_MS);
  const isDue = lastSweep === null || now - lastSweep >= SWEEP_EVERY_MS || (finishedAt ?? 0) < now - EVENTS_KEPT_MS;
  const progress: Progress = resumed ?? {
    startedAt: now,
    sweeping: options.sweep ?? isDue,
    events: null,
    lists: {},
  };
  // Whoever asks for more than the run that broke off gets it.
  if (options.sweep) progress.sweeping = true;
  if (options.since !== undefined) progress.events = null;
  const drift = collector();
  const troubles: string[] = [];
  progress.events ??= await catchUp(context, options, {
    since,
    sweeping: progress.sweeping,
    beat: () => note(progress),
  });
  // So many hints cost more requests than lists do.
  progress.sweeping ||= options.sweep !== false && progress.events.missed > SWEEP_ABOVE_MISSED;
  await note(progress);
  if (progress.sweeping) {
    for (const list of SWEPT_LISTS) await sweepList(context, options, { list, progress, drift, troubles, note });
    if (!options.dryRun) await markSwept(context, progress.startedAt);
  }
  const alarms = [...troubles, ...(await lookAtEndpoints(context))];
  for (const alarm of alarms) context.runtime.log.error({ alarm }, "something at Stripe needs a person's look");
  const swept = progress.sweeping
    ? (Object.fromEntries(SWEPT_LISTS.map((list) => [list, progress.lists[list]?.read ?? 0])) as Record<
        SweptList,
        number
      >)
    : null;
  return {
    startedAt: progress.startedAt,
    events: progress.events,
    swept,
    drift: drift.found,
    differences: drift.count,
    alarms,
  };
}

const SWEEP_TASK = "sweep";

async function markSwept({ store, runtime }: ReconcileContext, startedAt: number): Promise<void> {
  const holder = runtime.newId();
  await store.tasks.take(SWEEP_TASK, holder, runtime.now(), 0);
  await store.tasks.finish(SWEEP_TASK, holder, startedAt);
}

/** Puts events that have not arrived into the inbox, as if they had. */
async function catchUp(
  { store, gateway, runtime }: ReconcileContext,
  { dryRun, onProgress }: ReconcileOptions,
  { since, sweeping, beat }: { since: number; sweeping: boolean; beat: () => Promise<void> },
): Promise<{ read: number; missed: number }> {
  const types = [...ALLOWED_WEBHOOK_EVENTS.keys()];
  const counted = { read: 0, missed: 0 };
  const isBurst = (): boolean => sweeping || counted.missed > SWEEP_ABOVE_MISSED;
  for (let start = 0; start < types.length; start += TYPES_PER_LIST) {
    const some = types.slice(start, start + TYPES_PER_LIST);
    let after: string | null = null;
    do {
      const page: Page<Envelope> = await gateway.listEventPage(some, since, after);
      // Oldest first, as webhooks bring them: two that write the same ones never wait for each other.
      const events = page.rows.toReversed().map((envelope) => ({
        eventId: envelope.id,
        type: envelope.type,
        objectId: envelope.objectId,
        lane: laneOf(envelope),
        eventCreatedAt: envelope.createdAt,
      }));
      counted.read += events.length;
      const now = runtime.now();
      if (dryRun) counted.missed += (await store.inbox.unknown(events.map(({ eventId }) => eventId))).length;
      else if (events.length > 0)
        counted.missed += (await store.inbox.add(events, now, now + (isBurst() ? SWEEP_HEAD_START_MS : 0))).size;
      onProgress?.({ step: "events", read: counted.read });
      await beat();
      after = page.next;
    } while (after !== null);
  }
  return counted;
}

interface Collector {
  found: Drift[];
  count: number;
  add(drift: readonly Drift[]): void;
}

function collector(): Collector {
  const all: Collector = {
    found: [],
    count: 0,
    add(drift) {
      all.count += drift.length;
      all.found.push(...drift.slice(0, MAX_REPORTED_DRIFT - all.found.length));
    },
  };
  return all;
}

interface ListSweep {
  list: SweptList;
  progress: Progress;
  drift: Collector;
  troubles: string[];
  note(progress: Progress): Promise<void>;
}

async function sweepList(
  context: ReconcileContext,
  options: ReconcileOptions,
  { list, progress, drift, troubles, note }: ListSweep,
): Promise<void> {
  const until = progress.startedAt + 1_000;
  const state = (progress.lists[list] ??= { read: 0, left: [openRange(STRIPE_BEGAN, until)] });
  if (state.left.length === 0) return;
  // Read before Stripe is asked: what is written from here on is newer than any page.
  const versions = await context.store.lanes.all();
  const seen = new Set<string>();
  const singly = each(options.signal, troubles);
  const page: PageContext = { versions, seen, drift, singly, products: new Set(), dryRun: options.dryRun ?? false };
  const isWhole = state.read === 0;
  const { store, gateway } = context;
  const read = <Row>(
    listPage: (range: CreatedRange, after: string | null) => Promise<Page<Row>>,
    handle: (context: ReconcileContext, rows: readonly Row[], page: PageContext, upToSeq: number) => Promise<void>,
  ): Promise<void> =>
    sweep({
      ranges: state.left,
      readers: READERS,
      mark: () => store.inbox.lastSeq(),
      read: listPage,
      handle: (rows, upToSeq) => handle(context, rows, page, upToSeq),
      progress: async (left, rows) => {
        state.read += rows;
        state.left = [...left];
        options.onProgress?.({ step: list, read: state.read });
        await note(progress);
      },
    });
  if (list === "customers") await read(gateway.listCustomerPage, customers);
  else if (list === "subscriptions") await read(gateway.listSubscriptionPage, subscriptions);
  else await read(gateway.listOpenInvoicePage, openInvoices);
  // A run that another has begun does not know what that one has seen.
  if (isWhole && !options.dryRun) await askAboutUnseen(context, list, page);
}

/** What the mirror has and the list has not: deleted, or at Stripe no more. */
async function askAboutUnseen(
  { store, sync }: ReconcileContext,
  list: SweptList,
  { seen, singly }: PageContext,
): Promise<void> {
  if (list === "open_invoices") return;
  const ids = list === "customers" ? await store.customers.listIds() : await store.subscriptions.listLiveIds();
  const object = list === "customers" ? "customer" : "subscription";
  await singly(
    ids.filter((id) => !seen.has(id)),
    (id) => sync.object({ object, id, customerId: list === "customers" ? id : null }),
  );
}

interface PageContext {
  /** What each lane's version was before the list was asked for, or is by this sweep. */
  versions: Map<string, number>;
  /** What the list has told of. */
  seen: Set<string>;
  /** Products that the mirror has. */
  products: Set<string>;
  /** Does something for each of many, a few at once. */
  singly<Item>(items: readonly Item[], act: (item: Item) => Promise<void>): Promise<void>;
  drift: Collector;
  dryRun: boolean;
}

async function customers(
  context: ReconcileContext,
  rows: readonly ListedCustomer[],
  { versions, seen, singly, drift, dryRun }: PageContext,
  upToSeq: number,
): Promise<void> {
  for (const { customer } of rows) seen.add(customer.id);
  const known = await context.store.customers.findCustomers(rows.map(({ customer }) => customer.id));
  const snapshots = new Map<string, Snapshot>();
  for (const { customer, paymentMethod } of rows) {
    const differences = compareRecords<CustomerRecord>("customer", known.get(customer.id) ?? null, customer);
    if (differences.length === 0) continue;
    drift.add(differences);
    snapshots.set(customer.id, {
      ...empty(customer.id),
      customers: [customer],
      paymentMethods: paymentMethod ? [paymentMethod] : [],
    });
  }
  if (dryRun) return;
  await repair(context, "customer", { snapshots, versions, singly });
  await complete(
    context,
    rows.map(({ customer }) => customer.id),
    upToSeq,
  );
}

/** A list that was asked for after a hint had come has answered it. */
async function complete({ store, runtime }: ReconcileContext, ids: Iterable<string>, upToSeq: number): Promise<void> {
  await store.inbox.completeTold([...ids], upToSeq, runtime.now());
}

async function subscriptions(
  context: ReconcileContext,
  rows: readonly ListedSubscription[],
  page: PageContext,
  upToSeq: number,
): Promise<void> {
  const { versions, seen, singly, drift, dryRun } = page;
  for (const { subscription } of rows) seen.add(subscription.id);
  const known = await context.store.subscriptions.findSubscriptions(rows.map(({ subscription }) => subscription.id));
  const invoices = await context.store.subscriptions.findInvoices(
    rows.flatMap(({ subscription }) => subscription.latestInvoiceId ?? []),
  );
  const snapshots = new Map<string, Snapshot>();
  const singles: { id: string; customerId: string }[] = [];
  const products = await unknownProducts(context, rows, page);
  for (const row of rows) {
    const { subscription, invoice } = row;
    const differences = [
      ...compareRecords("subscription", inOrder(known.get(subscription.id) ?? null), inOrder(subscription)),
      ...(invoice ? compareRecords("invoice", invoices.get(invoice.id) ?? null, invoice) : []),
    ];
    const news = subscription.items.flatMap(({ productId }) => products.get(productId) ?? []);
    if (differences.length === 0 && news.length === 0) continue;
    drift.add(differences);
    if (!row.whole) singles.push({ id: subscription.id, customerId: subscription.customerId });
    else
      snapshots.set(
        subscription.customerId,
        addListed(snapshots.get(subscription.customerId) ?? empty(subscription.customerId), row, news),
      );
  }
  if (dryRun) return;
  await repair(context, "subscription", { snapshots, versions, singly });
  await singly(singles, ({ id, customerId }) => context.sync.object({ object: "subscription", id, customerId }));
  const told = rows.filter((row) => row.whole);
  await complete(
    context,
    told.flatMap(({ subscription, invoice }) => [subscription.id, ...(invoice ? [invoice.id] : [])]),
    upToSeq,
  );
}

/** What the page sells and the mirror does not know: without its product no subscription gives access. */
async function unknownProducts(
  { gateway, store }: ReconcileContext,
  rows: readonly ListedSubscription[],
  { products: known, singly }: PageContext,
): Promise<Map<string, ProductRecord>> {
  const found = new Map<string, ProductRecord>();
  const ids = new Set(rows.flatMap(({ subscription }) => subscription.items.map(({ productId }) => productId)));
  await singly(
    [...ids].filter((id) => !known.has(id)),
    async (id) => {
      const product = (await store.catalog.hasProduct(id)) ? null : await gateway.retrieveProduct(id);
      if (product) found.set(id, product);
      else known.add(id);
    },
  );
  return found;
}

function addListed(snapshot: Snapshot, row: ListedSubscription, products: readonly ProductRecord[]): Snapshot {
  return {
    ...snapshot,
    subscriptions: [...snapshot.subscriptions, row.subscription],
    invoices: row.invoice ? [...snapshot.invoices, row.invoice] : snapshot.invoices,
    paymentMethods: row.paymentMethod ? [...snapshot.paymentMethods, row.paymentMethod] : snapshot.paymentMethods,
    seen: { products: [...snapshot.seen.products, ...products], prices: [...snapshot.seen.prices, ...row.prices] },
  };
}

/** Stripe lists items in no promised order. */
function inOrder<Row extends SubscriptionRecord | null>(row: Row): Row {
  return row && { ...row, items: row.items.toSorted((one, other) => (one.id < other.id ? -1 : 1)) };
}

/** How the payment of an open invoice stands is told by a retrieve alone. */
async function openInvoices(
  context: ReconcileContext,
  rows: readonly { id: string; customerId: string }[],
  { singly, drift, dryRun }: PageContext,
): Promise<void> {
  const { subscriptions: mirror } = context.store;
  const before = await mirror.findInvoices(rows.map(({ id }) => id));
  await singly(rows, async ({ id, customerId }) => {
    const [known, current] = [before.get(id) ?? null, await context.gateway.retrieveInvoice(id)];
    const differences = current ? compareRecords("invoice", known, current) : [];
    drift.add(differences);
    if (differences.length > 0 && !dryRun) await context.sync.object({ object: "invoice", id, customerId });
  });
}

/** Writes what the list has told; lanes that somebody has written meanwhile are asked about again. */
async function repair(
  { sync }: ReconcileContext,
  object: Extract<SyncedObject, "customer" | "subscription">,
  {
    snapshots,
    versions,
    singly,
  }: Pick<PageContext, "versions" | "singly"> & { snapshots: ReadonlyMap<string, Snapshot> },
): Promise<void> {
  if (snapshots.size === 0) return;
  const left = await sync.listed(snapshots, versions);
  for (const lane of snapshots.keys()) if (!left.includes(lane)) versions.set(lane, (versions.get(lane) ?? 0) + 1);
  const singles = left.flatMap((lane) => {
    const snapshot = snapshots.get(lane);
    const rows = object === "customer" ? snapshot?.customers : snapshot?.subscriptions;
    return (rows ?? []).map(({ id }) => ({ id, lane }));
  });
  await singly(singles, ({ id, lane }) => sync.object({ object, id, customerId: lane }));
}

/** One that can't be read is told of and left; an outage ends the sweep, which is resumed. */
function each(signal: AbortSignal | undefined, troubles: string[]): PageContext["singly"] {
  return async (items, act) => {
    const waiting = [...items];
    const workOff = async (): Promise<void> => {
      for (let item = waiting.pop(); item !== undefined; item = waiting.pop()) {
        signal?.throwIfAborted();
        try {
          await act(item);
        } catch (error) {
          if (error instanceof TollkeeperError && error.retryable) throw error;
          troubles.push(`${JSON.stringify(item)} could not be read: ${String(error)}`);
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(SINGLES_AT_ONCE, items.length) }, workOff));
  };
}

/** A key that may not look at them is no reason to leave the mirror as it is. */
async function lookAtEndpoints(context: ReconcileContext): Promise<string[]> {
  try {
    return alarmsOf(await context.gateway.listEndpoints(), context);
  } catch (error) {
    return [
      `Stripe's webhook endpoints could not be looked at: ${error instanceof Error ? error.message : String(error)}`,
    ];
  }
}

function alarmsOf(endpoints: readonly EndpointRecord[], { webhookPath, apiVersion }: ReconcileContext): string[] {
  const ours = endpoints.filter(({ url }) => URL.canParse(url) && new URL(url).pathname.endsWith(webhookPath));
  if (ours.length === 0)
    return [`No webhook endpoint of Stripe ends with ${webhookPath}: events arrive by reconcile alone.`];
  return ours.flatMap((endpoint) => alarmsOfEndpoint(endpoint, apiVersion));
}

function alarmsOfEndpoint({ id, enabled, events, apiVersion: version }: EndpointRecord, pinned: string): string[] {
  if (!enabled) return [`Webhook endpoint ${id} is disabled: Stripe sends it nothing until it is enabled.`];
  const missing = events.includes("*")
    ? []
    : [...ALLOWED_WEBHOOK_EVENTS.keys()].filter((type) => !events.includes(type));
  return [
    ...(missing.length > 0 ? [`Webhook endpoint ${id} is not sent ${missing.join(", ")}: add them.`] : []),
    // What is in an event is never used, so this is no fault yet.
    ...(version !== null && version !== pinned
      ? [`Webhook endpoint ${id} has API version ${version}, not ${pinned}: make a new one when you can.`]
      : []),
  ];
}
