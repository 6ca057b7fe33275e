/**
 * Creates `sync`, the only writer of the mirror. `sync` reads a lane's version before it sends a request to Stripe. `sync`
 * writes Stripe's response only if the lane was not written since its version was read. If the lane was written meanwhile,
 * `sync` sends the request to Stripe again. An old response of Stripe never overwrites a newer response in the mirror.
 */
import { ownerKey, type BillingOwner } from "../domain/owner.ts";
import { toEnded } from "../domain/subscription.ts";
import { PAYMENTS_UNAVAILABLE, TollkeeperError, UnavailableError } from "../errors.ts";
import type { Store, StoreParts } from "../store/store.ts";
import type { StripeGateway } from "../stripe/gateway/gateway.ts";
import type { SyncedObject } from "../stripe/webhook/event-types.ts";
import type { PreviousRecords } from "./announce-records.ts";
import { announce, type AfterCommit, type AnnounceContext, type Change } from "./announce.ts";
import { raiseAlarms, saveCustomers, type PendingAlarm } from "./owners.ts";
import { countFacts } from "./count-facts.ts";
import { recordChangedProducts } from "./changed-products.ts";
import { retrieve, retrieveCustomerWithSubscriptions } from "./retrieve.ts";
import type { Snapshot } from "./retrieve.ts";

export interface SyncContext extends AnnounceContext {
  store: Store;
  gateway: StripeGateway;
}

export interface SyncRequest {
  object: SyncedObject;
  id: string;
  /** Id of the object's customer, if the caller of `sync` knows the customer. */
  customerId?: string | null;
  /**
   * A function of the caller that runs in the transaction that writes the mirror. If the caller's function returns false, the
   * transaction is rolled back, because the caller has lost its lease.
   */
  finish?: Finish;
}

type Finish = (parts: StoreParts, snapshot: Snapshot) => Promise<boolean>;

export interface Sync {
  /**
   * Retrieves one object from Stripe and writes it to the mirror. Throws `UnavailableError` if Stripe or the store is
   * unavailable.
   */
  object(request: SyncRequest): Promise<void>;
  /** Retrieves a customer with all its subscriptions and writes them to the mirror. */
  customerWithSubscriptions(customerId: string): Promise<void>;
  /**
   * Writes objects from one of Stripe's lists, one snapshot per lane, but skips lanes that were written since their version was
   * read. Returns the lanes that were not written because their version has changed. The caller must retrieve the objects of
   * the skipped lanes one by one.
   */
  writeListed(snapshots: ReadonlyMap<string, Snapshot>, versions: ReadonlyMap<string, number>): Promise<string[]>;
  /**
   * Decides the access of owners again in one transaction, because time has passed or the plans have changed, and announces the
   * changes of access.
   */
  announceAccess(owners: readonly BillingOwner[]): Promise<void>;
}

/**
 * Maximum number of times that one sync requests an object from Stripe. More than one request for an object is needed if other
 * workers write its lane meanwhile.
 */
const MAX_STALE_RESPONSES = 24;

export function createSync(context: SyncContext): Sync {
  const { store, gateway } = context;
  return {
    async object({ object, id, customerId, finish }) {
      const lane = customerId ?? (await store.subscriptions.findCustomerOfObject(id)) ?? id;
      await writeFresh(context, lane, () => retrieve(gateway, store, object, id), finish);
    },

    customerWithSubscriptions: (customerId) =>
      writeFresh(context, customerId, () => retrieveCustomerWithSubscriptions(gateway, store, customerId)),

    async writeListed(snapshots, versions) {
      const writes = [...snapshots].map(([lane, snapshot]) => ({ lane, snapshot, version: versions.get(lane) ?? 0 }));
      const written = await writeLanesSeparably(context, writes);
      return [...snapshots.keys()].filter((lane) => !written.has(lane));
    },

    async announceAccess(owners) {
      const changes = owners.map((owner) => ({ owner, snapshot: null }));
      const { facts } = await store.transaction((parts) => announce(parts, context, changes));
      countFacts(context.runtime.metrics, facts);
    },
  };
}

/**
 * Requests a snapshot of an object from Stripe and writes it to the mirror. If another worker wrote the lane meanwhile, repeats
 * the request to Stripe and the write. Throws `UnavailableError` if the lane changes faster than it can be read.
 */
async function writeFresh(
  context: SyncContext,
  firstLane: string,
  ask: () => Promise<Snapshot>,
  finish: Finish = async () => true,
): Promise<void> {
  let lane = firstLane;
  for (let responses = 0; responses < MAX_STALE_RESPONSES; responses++) {
    const version = await context.store.lanes.versionOf(lane);
    const snapshot = await ask();
    if (snapshot.customerId !== null && snapshot.customerId !== lane) {
      // Stripe's response shows that the object belongs to another lane, the lane of its customer. `sync` reads the version of
      // the customer's lane and then repeats the request to Stripe.
      lane = snapshot.customerId;
      continue;
    }
    if ((await writeLanes(context, [{ lane, version, snapshot }], finish)).has(lane)) return;
  }
  throw new UnavailableError("stripe_unavailable", `"${lane}" changed faster than it could be read. Retry later.`, {
    userMessage: PAYMENTS_UNAVAILABLE,
  });
}

interface LaneWrite {
  lane: string;
  /** Version of the lane, read before the request to Stripe was sent. */
  version: number;
  /** The records to write to the mirror. */
  snapshot: Snapshot;
}

/**
 * Writes lanes in one transaction. If the database refuses the transaction because of one lane, writes the two halves of the
 * list separately, so that only the refused lane is not written. Returns the names of the written lanes.
 */
async function writeLanesSeparably(context: SyncContext, writes: readonly LaneWrite[]): Promise<Set<string>> {
  try {
    return await writeLanes(context, writes);
  } catch (error) {
    if (error instanceof TollkeeperError && error.retryable) throw error;
    if (writes.length < 2) return new Set();
    const half = Math.ceil(writes.length / 2);
    const first = await writeLanesSeparably(context, writes.slice(0, half));
    return new Set([...first, ...(await writeLanesSeparably(context, writes.slice(half)))]);
  }
}

/** Writes the records of lanes whose version has not changed. Returns the names of the written lanes. */
async function writeLanes(
  context: SyncContext,
  writes: readonly LaneWrite[],
  finish: Finish = async () => true,
): Promise<Set<string>> {
  const { advanced, alarms, facts } = await context.store.transaction(async (parts) => {
    const advancedLanes = await parts.lanes.advance(new Map(writes.map(({ lane, version }) => [lane, version])));
    const fresh = writes.filter(({ lane }) => advancedLanes.has(lane));
    const [first] = fresh;
    if (!first) return { advanced: advancedLanes, alarms: [], facts: [] };
    if (!(await finish(parts, first.snapshot))) throw new LeaseLostError(first.lane);
    return { advanced: advancedLanes, ...(await writeFreshLanes(parts, context, fresh)) };
  });
  raiseAlarms(context.runtime, alarms);
  countFacts(context.runtime.metrics, facts);
  return advanced;
}

async function writeFreshLanes(
  parts: StoreParts,
  context: SyncContext,
  fresh: readonly LaneWrite[],
): Promise<AfterCommit> {
  const lanes = fresh.map(({ lane }) => lane);
  const snapshots = fresh.map(({ snapshot }) => snapshot);
  const ownersBefore = await parts.customers.findOwnersOf(lanes);
  const previous = await findPrevious(parts, snapshots);
  await recordChangedProducts(parts, snapshots, context.runtime);
  const alarms = await writeSnapshots(parts, snapshots, ownersBefore, context.runtime.billingNow());
  // The write of a customer to the mirror can link the customer to an owner. Another worker may also have linked the customer
  // meanwhile.
  const mayHaveNewLinks = fresh.some(({ lane, snapshot }) => !ownersBefore.has(lane) || snapshot.customers.length > 0);
  const owners = mayHaveNewLinks
    ? new Map([...ownersBefore, ...(await parts.customers.findOwnersOf(lanes))])
    : ownersBefore;
  const changes = fresh.flatMap(({ lane, snapshot }): Change[] => {
    const owner = owners.get(lane);
    if (owner === undefined) return [];
    const before = ownersBefore.get(lane);
    if (before === undefined) return [{ owner, snapshot, newlyLinkedCustomer: lane }];
    if (ownerKey(before) === ownerKey(owner)) return [{ owner, snapshot, previous }];
    // The customer was moved to another owner. Its payments were already announced to the owner before.
    return [
      { owner: before, snapshot: null },
      { owner, snapshot, previous },
    ];
  });
  const announced = await announce(parts, context, changes);
  return { alarms: [...alarms, ...announced.alarms], facts: announced.facts };
}

async function findPrevious(parts: StoreParts, snapshots: readonly Snapshot[]): Promise<PreviousRecords> {
  const { subscriptions, reversals } = parts;
  const invoices = snapshots.flatMap((snapshot) => snapshot.invoices.map(({ id }) => id));
  // The earlier state of a subscription matters only for the hook about the start of a trial.
  const trials = snapshots.flatMap((snapshot) => snapshot.subscriptions.filter(({ status }) => status === "trialing"));
  return {
    invoices: invoices.length === 0 ? new Map() : await subscriptions.findInvoices(invoices),
    subscriptions: trials.length === 0 ? new Map() : await subscriptions.findSubscriptions(trials.map(({ id }) => id)),
    refunds: await reversals.findRefunds(snapshots.flatMap(({ refunds }) => refunds.map(({ id }) => id))),
    disputes: await reversals.findDisputes(snapshots.flatMap(({ disputes }) => disputes.map(({ id }) => id))),
  };
}

/** The error that rolls back a write to the mirror because another worker has taken over the lane. */
export class LeaseLostError extends Error {
  override readonly name = "LeaseLostError";
  constructor(lane: string) {
    super(`the lease on lane ${lane} was lost`);
  }
}

/** Writes snapshots (records of Stripe's objects) to the mirror. Returns the alarms to raise after the commit. */
async function writeSnapshots(
  parts: StoreParts,
  snapshots: readonly Snapshot[],
  owners: ReadonlyMap<string, BillingOwner>,
  now: number,
): Promise<PendingAlarm[]> {
  const customers = snapshots.flatMap((snapshot) => snapshot.customers);
  const alarms = await saveCustomers(parts, customers, owners, now);
  await parts.subscriptions.saveSubscriptions(snapshots.flatMap(({ subscriptions }) => subscriptions));
  await parts.subscriptions.saveInvoices(snapshots.flatMap(({ invoices }) => invoices));
  await parts.reversals.saveRefunds(snapshots.flatMap(({ refunds }) => refunds));
  await parts.reversals.saveDisputes(snapshots.flatMap(({ disputes }) => disputes));
  await parts.customers.savePaymentMethods(snapshots.flatMap(({ paymentMethods }) => paymentMethods));
  await parts.products.saveProducts(snapshots.flatMap(({ products }) => products));
  await parts.products.savePrices(snapshots.flatMap(({ prices }) => prices));
  await parts.products.addProducts(snapshots.flatMap(({ embedded }) => embedded.products));
  await parts.products.addPrices(snapshots.flatMap(({ embedded }) => embedded.prices));
  for (const { removed } of snapshots) await remove(parts, removed, now);
  return alarms;
}

async function remove(
  parts: StoreParts,
  { subscription, paymentMethod, product, price }: Snapshot["removed"],
  now: number,
): Promise<void> {
  if (subscription) await endSubscription(parts, subscription, now);
  if (paymentMethod) await parts.customers.removePaymentMethod(paymentMethod);
  if (product) await parts.products.removeProduct(product);
  if (price) await parts.products.removePrice(price);
}

async function endSubscription(parts: StoreParts, subscriptionId: string, now: number): Promise<void> {
  const mirrored = (await parts.subscriptions.findSubscriptions([subscriptionId])).get(subscriptionId);
  if (mirrored) await parts.subscriptions.saveSubscriptions([toEnded(mirrored, now)]);
}
