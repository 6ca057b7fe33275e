/**
 * What a sweep does with the pages of its lists: finds what differs in the mirror, and writes it where nobody has written the
 * lane since; the rest is asked about one by one.
 */
import { compareRecords, type Difference, type DriftObject, type Repair } from "../domain/drift.ts";
import type {
  CustomerRecord,
  InvoiceRecord,
  PaymentMethodRecord,
  ProductRecord,
  SubscriptionRecord,
} from "../domain/records.ts";
import { ended } from "../domain/subscription.ts";
import type { Runtime } from "../runtime.ts";
import type { SyncedObject } from "../stripe/webhook/event-types.ts";
import type {
  CreatedRange,
  RetrievedCustomer,
  RetrievedSubscription,
  Page,
  StripeGateway,
} from "../stripe/gateway/gateway.ts";
import type { Sample, Store } from "../store/open-store.ts";
import { empty, retrieve, toldBy, type Snapshot } from "../sync/retrieve.ts";
import { createSingly, type Singly } from "./concurrency-limiter.ts";
import { openRanges, READERS, STRIPE_ENDS, sweep, type OpenRange } from "./read-ranges.ts";
import type { Sync } from "../sync/sync.ts";

export interface SweepContext {
  store: Store;
  gateway: StripeGateway;
  sync: Sync;
  runtime: Runtime;
}

export const SWEPT_LISTS = ["customers", "subscriptions", "open_invoices"] as const;
export type SweptList = (typeof SWEPT_LISTS)[number];

/** How far a list has been read. */
export interface ListProgress {
  read: number;
  left: OpenRange[];
  /** Whether it was read in one go, so that what the mirror has and the list has not could be asked about, too. */
  whole: boolean;
}

export interface SweepListOptions {
  list: SweptList;
  state: ListProgress;
  /** Only compares. */
  dryRun: boolean;
  signal: AbortSignal | undefined;
  onDrift(differences: readonly Difference[], repairedBy: Repair | null): void;
  /** Told of what can't be read, which is left as it is. */
  onTrouble(trouble: string): void;
  /** Told after each page, when `state` says where it stands. */
  onPage(): Promise<void>;
}

/** Nothing at Stripe is older. */
const STRIPE_BEGAN = Date.UTC(2011, 0, 1);
/** So many lanes are written before the store looks how large it has become; then twice as many, and so on. */
const LANES_BEFORE_ANALYSIS = 1_000;

/** `pageEnds` is where the pages of a list ended whose rows are spread over time like this one's. */
export function unread(pageEnds: readonly number[] = []): ListProgress {
  const all = { from: STRIPE_BEGAN, until: STRIPE_ENDS };
  return { read: 0, left: openRanges(all, pageEnds, READERS), whole: false };
}

/**
 * Reads what is left of a list and deals with it; answers where its pages ended. Throws what ends the sweep: Stripe or the store
 * can't go on.
 */
export async function sweepList(context: SweepContext, options: SweepListOptions): Promise<number[]> {
  const { state } = options;
  if (state.left.length === 0) return [];
  const isResumed = state.read > 0;
  // Read before Stripe is asked: what is written from here on is newer than any page.
  const sweeping: Sweeping = { ...options, ...handling(options, await context.store.lanes.all()) };
  const pageEnds = await readList(context, sweeping);
  if (sweeping.written.whenAnalyzed > 0) await analyze(context.store, context.runtime, "usual");
  // A run that another has begun does not know what that one has seen.
  if (isResumed) return pageEnds;
  await askAboutUnseen(context, sweeping);
  state.whole = true;
  return pageEnds;
}

function readList(context: SweepContext, sweeping: Sweeping): Promise<number[]> {
  const { gateway } = context;
  switch (sweeping.list) {
    case "customers":
      return readAll(context, sweeping, gateway.listCustomerPage, customers);
    case "subscriptions":
      return readAll(context, sweeping, gateway.listSubscriptionPage, subscriptions);
    case "open_invoices":
      return readAll(context, sweeping, gateway.listOpenInvoicePage, openInvoices);
  }
}

/**
 * What pages of subscriptions from elsewhere are dealt with by: their customers' lanes are written where they still have these
 * versions, which were read before Stripe was asked. Answers how many hints are done with it.
 */
export function handleSubscriptions(
  context: SweepContext,
  { versions, signal }: { versions: Map<string, number>; signal: AbortSignal },
): (rows: readonly RetrievedSubscription[], upToSeq: number) => Promise<number> {
  const options = {
    signal,
    dryRun: false,
    onDrift: () => {},
    onTrouble: (trouble: string) => context.runtime.log.warn({ trouble }, "a list tells of what can't be read"),
  };
  // Nothing grows by it that the store would have to look at again.
  const pages: Handling = { ...options, ...handling(options, versions), written: { lanes: 0, whenAnalyzed: Infinity } };
  return (rows, upToSeq) => subscriptions(context, pages, rows, upToSeq);
}

function handling(options: Pick<SweepListOptions, "signal" | "onTrouble">, versions: Map<string, number>) {
  const failed = new Set<string>();
  return {
    versions,
    seen: new Set<string>(),
    products: { known: new Set<string>(), asked: new Map<string, Promise<ProductRecord | null>>() },
    written: { lanes: 0, whenAnalyzed: 0 },
    failed,
    singly: createSingly(options, failed),
  };
}

/** How the rows of pages are dealt with. */
interface Handling extends Pick<SweepListOptions, "dryRun" | "onDrift"> {
  /** What each lane's version was before the list was asked for. */
  versions: Map<string, number>;
  /** What the list has told of. */
  seen: Set<string>;
  /** Products that the mirror has, and those that are being asked for. */
  products: { known: Set<string>; asked: Map<string, Promise<ProductRecord | null>> };
  /** Lanes that were written, and how many of them when the store was last told to look how large it is. */
  written: { lanes: number; whenAnalyzed: number };
  /** Ids of what could not be read: hints about these stay. */
  failed: Set<string>;
  singly: Singly;
}

type Sweeping = SweepListOptions & Handling;

async function readAll<Row>(
  context: SweepContext,
  sweeping: Sweeping,
  read: (range: CreatedRange, after: string | null) => Promise<Page<Row> | null>,
  handle: (context: SweepContext, handling: Handling, rows: readonly Row[], upToSeq: number) => Promise<unknown>,
): Promise<number[]> {
  const { state, seen, onTrouble, onPage } = sweeping;
  return sweep({
    ranges: state.left,
    readers: READERS,
    mark: () => context.store.inbox.lastSeq(),
    read,
    handle: async ({ rows, unreadable }, upToSeq) => {
      for (const { id, reason } of unreadable) {
        seen.add(id);
        onTrouble(`${id} could not be read: ${reason}`);
      }
      await handle(context, sweeping, rows, upToSeq);
    },
    progress: async (left, rows) => {
      state.read += rows;
      state.left = [...left];
      await onPage();
    },
  });
}

/** What the mirror has and the list has not: changed, deleted, or at Stripe no more. */
async function askAboutUnseen(context: SweepContext, { list, seen, singly, dryRun, onDrift }: Sweeping): Promise<void> {
  const { object, ids, find } = await inMirror(context.store, list);
  await singly(
    ids.filter((id) => !seen.has(id)),
    async (id) => {
      const before = await find(id);
      if (!dryRun) await context.sync.object({ object, id, customerId: object === "customer" ? id : null });
      const current = dryRun ? await atStripe(context, object, id) : await find(id);
      if (before && current) onDrift(compareRecords(object, before, current), dryRun ? null : "retrieve");
    },
  );
}

type Swept = CustomerRecord | SubscriptionRecord | InvoiceRecord;

/** What the mirror would have of it; null where Stripe has none, and the mirror keeps what it knows. */
async function atStripe(
  { gateway, store, runtime }: SweepContext,
  object: DriftObject,
  id: string,
): Promise<Swept | null> {
  const { customers: owners, subscriptions: listed, invoices, removed } = await retrieve(gateway, store, object, id);
  if (removed.subscription === id) {
    const known = (await store.subscriptions.findSubscriptions([id])).get(id);
    return known ? ended(known, runtime.now()) : null;
  }
  const found = { customer: owners, subscription: listed.map(inOrder), invoice: invoices }[object];
  return found.find((row) => row.id === id) ?? null;
}

async function inMirror(
  { customers: owners, subscriptions: mirror }: Store,
  list: SweptList,
): Promise<{ object: DriftObject; ids: string[]; find(id: string): Promise<Swept | null> }> {
  switch (list) {
    case "customers":
      return {
        object: "customer",
        ids: await owners.listIds(),
        find: async (id) => (await owners.findCustomers([id])).get(id) ?? null,
      };
    case "subscriptions":
      return {
        object: "subscription",
        ids: await mirror.listLiveIds(),
        find: async (id) => (await mirror.findSubscriptions([id])).get(id) ?? null,
      };
    case "open_invoices":
      return { object: "invoice", ids: await mirror.listOpenInvoiceIds(), find: (id) => mirror.findInvoice(id) };
  }
}

async function customers(
  context: SweepContext,
  sweeping: Handling,
  rows: readonly RetrievedCustomer[],
  upToSeq: number,
): Promise<void> {
  const { seen, dryRun } = sweeping;
  for (const { customer } of rows) seen.add(customer.id);
  const known = await context.store.customers.findCustomers(rows.map(({ customer }) => customer.id));
  const cards = await context.store.customers.findPaymentMethods(
    rows.flatMap(({ paymentMethod }) => paymentMethod?.id ?? []),
  );
  const drift: Found[] = [];
  const snapshots = new Map<string, Snapshot>();
  const hinted = dryRun
    ? new Set<string>()
    : await context.store.inbox.findHinted(rows.flatMap(toldByCustomer), upToSeq);
  for (const row of rows) {
    const { customer, paymentMethod } = row;
    const differences = [
      ...compareRecords<CustomerRecord>("customer", known.get(customer.id) ?? null, customer),
      ...compareCard({ object: "customer", id: customer.id }, cards, paymentMethod),
    ];
    if (differences.length === 0 && !toldByCustomer(row).some((id) => hinted.has(id))) continue;
    drift.push({ lane: customer.id, differences });
    snapshots.set(customer.id, {
      ...empty(customer.id),
      customers: [customer],
      paymentMethods: paymentMethod ? [paymentMethod] : [],
    });
  }
  if (dryRun) return tellDrift(sweeping, drift);
  const asked = await repair(context, sweeping, "customer", snapshots);
  tellDrift(sweeping, drift, asked);
  const ids = rows
    .filter(({ customer }) => snapshots.has(customer.id))
    .flatMap((row) => (asked.has(row.customer.id) ? [row.customer.id] : toldByCustomer(row)));
  await complete(context, sweeping, { ids, hinted, upToSeq });
}

/** The customer, and its card as the list tells of it where it is the customer's own. */
function toldByCustomer({ customer, paymentMethod }: RetrievedCustomer): string[] {
  return [customer.id, ...(paymentMethod?.customerId === customer.id ? [paymentMethod.id] : [])];
}

/** What a page differs by, and the lane that is written for it; null where it is asked about by itself. */
interface Found {
  lane: string | null;
  differences: Difference[];
}

/** `asked` are the lanes that the list was too old for; absent where nothing was written. */
function tellDrift({ onDrift }: Handling, drift: readonly Found[], asked?: ReadonlySet<string>): void {
  for (const { lane, differences } of drift) {
    const isAsked = lane === null || asked?.has(lane);
    onDrift(differences, asked ? (isAsked ? "retrieve" : "list") : null);
  }
}

/** A draft changes with no event that we hear of, and nothing rests on it before it is finalized. */
function compareInvoice(known: InvoiceRecord | null, current: InvoiceRecord): Difference[] {
  return known?.status === "draft" && current.status === "draft" ? [] : compareRecords("invoice", known, current);
}

/** An event may have told of an object without its card. Only ids are reported, and the names of what differs. */
function compareCard(
  of: Pick<Difference, "object" | "id">,
  mirror: ReadonlyMap<string, PaymentMethodRecord>,
  stripe: PaymentMethodRecord | null,
): Difference[] {
  if (stripe === null) return [];
  const known = mirror.get(stripe.id) ?? null;
  if (known === null) return [{ ...of, field: "defaultPaymentMethod", mirror: null, stripe: stripe.id }];
  return compareRecords(of.object, known, stripe).map(({ field }) => ({
    ...of,
    field: `defaultPaymentMethod.${field}`,
    mirror: undefined,
    stripe: undefined,
  }));
}

/** A list that was asked for after a hint had come has answered it; answers how many it has. */
function complete(
  { store, runtime }: SweepContext,
  { failed }: Handling,
  { ids, hinted, upToSeq }: { ids: readonly string[]; hinted: ReadonlySet<string>; upToSeq: number },
): Promise<number> {
  const told = ids.filter((id) => hinted.has(id) && !failed.has(id));
  return store.inbox.completeTold(told, upToSeq, runtime.now());
}

/** Answers how many hints are done with it. */
async function subscriptions(
  context: SweepContext,
  sweeping: Handling,
  rows: readonly RetrievedSubscription[],
  upToSeq: number,
): Promise<number> {
  const { seen, singly, dryRun } = sweeping;
  for (const { subscription } of rows) seen.add(subscription.id);
  const known = await context.store.subscriptions.findSubscriptions(rows.map(({ subscription }) => subscription.id));
  const invoices = await context.store.subscriptions.findInvoices(
    rows.flatMap(({ subscription }) => subscription.latestInvoiceId ?? []),
  );
  const cards = await context.store.customers.findPaymentMethods(
    rows.flatMap(({ paymentMethod }) => paymentMethod?.id ?? []),
  );
  const customersBefore = await context.store.customers.findCustomers(
    rows.flatMap(({ customer }) => customer?.customer.id ?? []),
  );
  const drift: Found[] = [];
  const snapshots = new Map<string, Snapshot>();
  const singles: { id: string; customerId: string }[] = [];
  const products = await unknownProducts(context, sweeping, rows);
  const whole = new Map(rows.filter((row) => row.whole).map((row) => [row, toldBySubscription(row)]));
  const hinted = dryRun ? new Set<string>() : await context.store.inbox.findHinted([...whole.values()].flat(), upToSeq);
  const written: RetrievedSubscription[] = [];
  for (const row of rows) {
    const { subscription, invoice, paymentMethod, customer } = row;
    const differences = [
      ...(customer
        ? compareRecords("customer", customersBefore.get(customer.customer.id) ?? null, customer.customer)
        : []),
      ...compareRecords("subscription", inOrder(known.get(subscription.id) ?? null), inOrder(subscription)),
      ...(invoice ? compareInvoice(invoices.get(invoice.id) ?? null, invoice) : []),
      ...compareCard({ object: "subscription", id: subscription.id }, cards, paymentMethod),
    ];
    const news = subscription.items.flatMap(({ productId }) => products.get(productId) ?? []);
    const isHinted = whole.get(row)?.some((id) => hinted.has(id)) ?? false;
    if (differences.length === 0 && news.length === 0 && !isHinted) continue;
    drift.push({ lane: row.whole ? subscription.customerId : null, differences });
    if (!row.whole) {
      singles.push({ id: subscription.id, customerId: subscription.customerId });
      continue;
    }
    written.push(row);
    snapshots.set(
      subscription.customerId,
      addListed(snapshots.get(subscription.customerId) ?? empty(subscription.customerId), row, news),
    );
  }
  if (dryRun) {
    tellDrift(sweeping, drift);
    return 0;
  }
  const asked = await repair(context, sweeping, "subscription", snapshots);
  await singly(singles, ({ id, customerId }) => context.sync.object({ object: "subscription", id, customerId }));
  tellDrift(sweeping, drift, asked);
  const ids = written
    .filter(({ subscription }) => !subscription.items.some(({ productId }) => sweeping.failed.has(productId)))
    .flatMap((row) => (asked.has(row.subscription.customerId) ? [row.subscription.id] : (whole.get(row) ?? [])));
  return complete(context, sweeping, { ids, hinted, upToSeq });
}

function toldBySubscription(row: RetrievedSubscription): string[] {
  return toldBy(addListed(empty(row.subscription.customerId), row, []));
}

/** What the page sells and the mirror does not know: without its product no subscription gives access. */
async function unknownProducts(
  context: SweepContext,
  { products, singly }: Handling,
  rows: readonly RetrievedSubscription[],
): Promise<Map<string, ProductRecord>> {
  const found = new Map<string, ProductRecord>();
  const ids = new Set(rows.flatMap(({ subscription }) => subscription.items.map(({ productId }) => productId)));
  await singly(
    [...ids].filter((id) => !products.known.has(id)),
    async (id) => {
      const product = await askOnce(context, products, id);
      if (product) found.set(id, product);
      else products.known.add(id);
    },
  );
  return found;
}

/** Null where the mirror has it, or Stripe has not. Pages that are read at once sell the same: one of them asks. */
function askOnce(
  { gateway, store }: SweepContext,
  { asked }: Handling["products"],
  id: string,
): Promise<ProductRecord | null> {
  const ask = async (): Promise<ProductRecord | null> =>
    (await store.catalog.hasProduct(id)) ? null : gateway.retrieveProduct(id);
  const asking = asked.get(id) ?? ask().finally(() => asked.delete(id));
  asked.set(id, asking);
  return asking;
}

function addListed(snapshot: Snapshot, row: RetrievedSubscription, products: readonly ProductRecord[]): Snapshot {
  const { customer } = row;
  const isNew = customer !== null && !snapshot.customers.some(({ id }) => id === customer.customer.id);
  return {
    ...snapshot,
    customers: isNew ? [...snapshot.customers, customer.customer] : snapshot.customers,
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
  context: SweepContext,
  { seen, singly, onDrift, dryRun }: Handling,
  rows: readonly { id: string; customerId: string }[],
): Promise<void> {
  for (const { id } of rows) seen.add(id);
  const { subscriptions: mirror } = context.store;
  const before = await mirror.findInvoices(rows.map(({ id }) => id));
  await singly(rows, async ({ id, customerId }) => {
    const [known, current] = [before.get(id) ?? null, await context.gateway.retrieveInvoice(id)];
    const differences = current ? compareRecords("invoice", known, current) : [];
    if (differences.length > 0 && !dryRun) await context.sync.object({ object: "invoice", id, customerId });
    onDrift(differences, dryRun ? null : "retrieve");
  });
}

/**
 * Writes what the list has told. Lanes that somebody has written meanwhile are asked about again, and answered: what the list
 * told of them was not written.
 */
async function repair(
  { store, sync, runtime }: SweepContext,
  { versions, singly, written }: Handling,
  object: Extract<SyncedObject, "customer" | "subscription">,
  snapshots: ReadonlyMap<string, Snapshot>,
): Promise<ReadonlySet<string>> {
  if (snapshots.size === 0) return new Set();
  // A lane that another page has written is asked about, too: this page may have been asked for before that one.
  const left = await sync.listed(snapshots, versions);
  const singles = left.flatMap((lane) => {
    const snapshot = snapshots.get(lane);
    const rows = object === "customer" ? snapshot?.customers : snapshot?.subscriptions;
    return (rows ?? []).map(({ id }) => ({ id, lane }));
  });
  await singly(singles, ({ id, lane }) => sync.object({ object, id, customerId: lane }));
  written.lanes += snapshots.size;
  if (written.lanes >= Math.max(LANES_BEFORE_ANALYSIS, written.whenAnalyzed * 2)) {
    written.whenAnalyzed = written.lanes;
    await analyze(store, runtime, "small");
  }
  return new Set(left);
}

async function analyze(store: Store, runtime: Runtime, sample: Sample): Promise<void> {
  await store.analyze(sample).catch((error: unknown) => {
    runtime.log.warn({ error: String(error) }, "the store could not look how large it is; it may be slow for a minute");
  });
}
