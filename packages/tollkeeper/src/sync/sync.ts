/**
 * The one writer of the mirror. The rule that keeps an old answer from overwriting a newer one: a lane's version is read
 * before Stripe is asked, and the answer is written only if nobody wrote that lane since; otherwise Stripe is asked again.
 */
import type { InvoiceRecord } from "../domain/records.ts";
import { ended } from "../domain/subscription.ts";
import { UnavailableError } from "../errors.ts";
import type { SyncedObject } from "../stripe/webhook/event-types.ts";
import type { StripeGateway } from "../stripe/gateway/gateway.ts";
import type { Store, StoreParts } from "../store/open-store.ts";
import type { CustomerLink } from "../store/mirror/customers.ts";
import { announce, type AnnounceContext } from "./announce.ts";
import { retrieve, retrieveWholeCustomer, type Snapshot } from "./retrieve.ts";

export interface SyncContext extends AnnounceContext {
  store: Store;
  gateway: StripeGateway;
}

export interface SyncRequest {
  object: SyncedObject;
  id: string;
  /** The customer where it is known; found out otherwise. */
  customerId?: string | null;
  /** Runs in the same transaction; false throws everything away, since somebody else has done this work. */
  finish?: Finish;
}

/** Told what was retrieved; null where nothing was asked. */
type Finish = (parts: StoreParts, snapshot: Snapshot | null) => Promise<boolean>;

export interface Sync {
  /** Retrieves one object and writes the mirror. Throws `UnavailableError` when Stripe or the store can't now. */
  object(request: SyncRequest): Promise<void>;
  /** Retrieves a customer with all its subscriptions and writes the mirror. */
  wholeCustomer(customerId: string): Promise<void>;
  /**
   * Writes what lists have told, a snapshot a lane, where nobody has written the lane since its version was read; answers
   * the lanes that were left out, which must be asked about one by one.
   */
  listed(snapshots: ReadonlyMap<string, Snapshot>, versions: ReadonlyMap<string, number>): Promise<string[]>;
  /** Decides a user's access again, now that time has passed. */
  access(userId: string): Promise<void>;
}

/** How often Stripe is asked again because somebody wrote the lane meanwhile. */
const MAX_STALE_ANSWERS = 24;

export function createSync(context: SyncContext): Sync {
  const { store, gateway } = context;
  return {
    async object({ object, id, customerId, finish }) {
      const lane = customerId ?? (await store.subscriptions.findOwner(id)) ?? id;
      await writeFresh(context, lane, () => retrieve(gateway, store, object, id), finish);
    },

    wholeCustomer: (customerId) =>
      writeFresh(context, customerId, () => retrieveWholeCustomer(gateway, store, customerId)),

    async listed(snapshots, versions) {
      const written = await writeLanes(
        context,
        [...snapshots].map(([lane, snapshot]) => ({ lane, snapshot, version: versions.get(lane) ?? 0 })),
      );
      return [...snapshots.keys()].filter((lane) => !written.has(lane));
    },

    async access(userId) {
      const customerId = await store.customers.findCustomerOf(userId);
      if (customerId === null)
        await store.transaction((parts) =>
          announce(parts, context, [{ userId, snapshot: null, id: `gone:${userId}:${context.runtime.now()}` }]),
        );
      else await writeFresh(context, customerId, async () => null);
    },
  };
}

async function writeFresh(
  context: SyncContext,
  firstLane: string,
  ask: () => Promise<Snapshot | null>,
  finish: Finish = async () => true,
): Promise<void> {
  let lane = firstLane;
  for (let answers = 0; answers < MAX_STALE_ANSWERS; answers++) {
    const version = await context.store.lanes.versionOf(lane);
    const snapshot = await ask();
    if (snapshot?.customerId && snapshot.customerId !== lane) {
      // Only now is it known whose object this is: ask again under that customer's version.
      lane = snapshot.customerId;
      continue;
    }
    if ((await writeLanes(context, [{ lane, version, snapshot }], finish)).has(lane)) return;
  }
  throw new UnavailableError("stripe_unavailable", `"${lane}" changed faster than it could be read. Try again.`);
}

/** What Stripe has told of a lane, and the lane's version before Stripe was asked. */
interface LaneWrite {
  lane: string;
  version: number;
  snapshot: Snapshot | null;
}

/** Answers the lanes that were written: those that nobody had written since their version was read. */
async function writeLanes(
  context: SyncContext,
  writes: readonly LaneWrite[],
  finish: Finish = async () => true,
): Promise<Set<string>> {
  return context.store.transaction(async (parts) => {
    const advanced = await parts.lanes.advance(new Map(writes.map(({ lane, version }) => [lane, version])));
    const fresh = writes.filter(({ lane }) => advanced.has(lane));
    const [first] = fresh;
    if (!first) return advanced;
    if (!(await finish(parts, first.snapshot))) throw new LeaseLostError(first.lane);
    const lanes = fresh.map(({ lane }) => lane);
    const snapshots = fresh.flatMap(({ snapshot }) => snapshot ?? []);
    const usersBefore = await parts.customers.findUsersOf(lanes);
    const invoicesBefore = await findInvoicesBefore(parts, snapshots);
    const linkedNext = await writeSnapshots(parts, snapshots, context.runtime.now());
    // Somebody else may have linked one meanwhile.
    const mayBeLinked = fresh.some(({ lane, snapshot }) => !usersBefore.has(lane) || snapshot?.customers.length);
    const users = mayBeLinked ? new Map([...usersBefore, ...(await parts.customers.findUsersOf(lanes))]) : usersBefore;
    const changes = fresh.flatMap(({ lane, version, snapshot }) => {
      const userId = users.get(lane);
      if (userId === undefined) return [];
      const told = usersBefore.get(lane) === userId ? { toldOf: invoicesBefore } : { joined: lane };
      return [{ userId, snapshot, id: `${lane}:${version + 1}`, ...told }];
    });
    const next = linkedNext.map(({ userId, customerId }) => ({
      userId,
      snapshot: null,
      joined: customerId,
      id: `${customerId}:joins:${context.runtime.now()}`,
    }));
    await announce(parts, context, [...changes, ...next]);
    return advanced;
  });
}

async function findInvoicesBefore(
  parts: StoreParts,
  snapshots: readonly Snapshot[],
): Promise<Map<string, InvoiceRecord>> {
  const ids = snapshots.flatMap(({ invoices }) => invoices.map(({ id }) => id));
  return ids.length === 0 ? new Map() : parts.subscriptions.findInvoices(ids);
}

/** Somebody else took the work over; whatever was about to be written is theirs to write. */
export class LeaseLostError extends Error {
  override readonly name = "LeaseLostError";
  constructor(lane: string) {
    super(`the lease on lane ${lane} was lost`);
  }
}

/** Answers the customers that took a deleted one's place. */
async function writeSnapshots(
  parts: StoreParts,
  snapshots: readonly Snapshot[],
  now: number,
): Promise<readonly CustomerLink[]> {
  const customers = snapshots.flatMap((snapshot) => snapshot.customers);
  await parts.customers.saveCustomers(customers);
  const next: CustomerLink[] = [];
  for (const { id, deleted } of customers) if (deleted) next.push(...(await unlink(parts, id, now)));
  const links = customers.flatMap(({ id, userId, deleted }) =>
    deleted || userId === null ? [] : [{ userId, customerId: id }],
  );
  await parts.customers.link(links, now);
  await parts.subscriptions.saveSubscriptions(snapshots.flatMap(({ subscriptions }) => subscriptions));
  await parts.subscriptions.saveInvoices(snapshots.flatMap(({ invoices }) => invoices));
  await parts.customers.savePaymentMethods(snapshots.flatMap(({ paymentMethods }) => paymentMethods));
  await parts.catalog.saveProducts(snapshots.flatMap(({ products }) => products));
  await parts.catalog.savePrices(snapshots.flatMap(({ prices }) => prices));
  await parts.catalog.addProducts(snapshots.flatMap(({ seen }) => seen.products));
  await parts.catalog.addPrices(snapshots.flatMap(({ seen }) => seen.prices));
  for (const { removed } of snapshots) await remove(parts, removed, now);
  return next;
}

/** The user's next customer may have come before the word of the old one's end: it is linked in its place, and answered. */
async function unlink(parts: StoreParts, customerId: string, now: number): Promise<CustomerLink[]> {
  const userId = await parts.customers.findUserOf(customerId);
  await parts.customers.unlink(customerId);
  const next = userId === null ? null : await parts.customers.findCustomerNaming(userId);
  if (userId === null || next === null) return [];
  const link = { userId, customerId: next };
  await parts.customers.link([link], now);
  return [link];
}

async function remove(
  parts: StoreParts,
  { subscription, paymentMethod, product, price }: Snapshot["removed"],
  now: number,
): Promise<void> {
  if (subscription) await end(parts, subscription, now);
  if (paymentMethod) await parts.customers.removePaymentMethod(paymentMethod);
  if (product) await parts.catalog.removeProduct(product);
  if (price) await parts.catalog.removePrice(price);
}

async function end(parts: StoreParts, subscriptionId: string, now: number): Promise<void> {
  const known = (await parts.subscriptions.findSubscriptions([subscriptionId])).get(subscriptionId);
  if (known) await parts.subscriptions.saveSubscriptions([ended(known, now)]);
}
