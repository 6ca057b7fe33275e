/**
 * The one writer of the mirror. The rule that keeps an old answer from overwriting a newer one: a lane's version is read
 * before Stripe is asked, and the answer is written only if nobody wrote that lane since; otherwise Stripe is asked again.
 */
import { UnavailableError } from "../errors.ts";
import type { SyncedObject } from "../stripe/event-types.ts";
import type { StripeGateway } from "../stripe/gateway.ts";
import type { Store, StoreParts } from "../store/database.ts";
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
  finish?: (parts: StoreParts) => Promise<boolean>;
}

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
      // In one order whoever writes, so that two never wait for each other.
      const lanes = [...snapshots.keys()].toSorted();
      const advanced = await store.transaction(async (parts) => {
        const mine = await parts.lanes.advanceMany(lanes, versions);
        for (const lane of lanes)
          if (mine.has(lane))
            await writeLane(parts, context, lane, snapshots.get(lane) ?? null, versions.get(lane) ?? 0);
        return mine;
      });
      return lanes.filter((lane) => !advanced.has(lane));
    },

    async access(userId) {
      const customerId = await store.customers.findCustomerOf(userId);
      if (customerId === null)
        await store.transaction((parts) =>
          announce(parts, context, userId, null, `gone:${userId}:${context.runtime.now()}`),
        );
      else await writeFresh(context, customerId, async () => null);
    },
  };
}

async function writeFresh(
  context: SyncContext,
  firstLane: string,
  ask: () => Promise<Snapshot | null>,
  finish: (parts: StoreParts) => Promise<boolean> = async () => true,
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
    if (await write(context, { lane, version, snapshot, finish })) return;
  }
  throw new UnavailableError("stripe_unavailable", `"${lane}" changed faster than it could be read. Try again.`);
}

interface Write {
  lane: string;
  version: number;
  snapshot: Snapshot | null;
  finish: (parts: StoreParts) => Promise<boolean>;
}

/** False when the lane was written since its version was read. */
async function write(context: SyncContext, { lane, version, snapshot, finish }: Write): Promise<boolean> {
  return context.store.transaction(async (parts) => {
    if (!(await parts.lanes.advance(lane, version))) return false;
    if (!(await finish(parts))) throw new LeaseLostError(lane);
    await writeLane(parts, context, lane, snapshot, version);
    return true;
  });
}

async function writeLane(
  parts: StoreParts,
  context: SyncContext,
  lane: string,
  snapshot: Snapshot | null,
  version: number,
): Promise<void> {
  const userBefore = await parts.customers.findUserOf(lane);
  if (snapshot) await writeSnapshot(parts, snapshot, context.runtime.now());
  const userId = (await parts.customers.findUserOf(lane)) ?? userBefore;
  if (userId !== null) await announce(parts, context, userId, snapshot, `${lane}:${version + 1}`);
}

/** Somebody else took the work over; whatever was about to be written is theirs to write. */
export class LeaseLostError extends Error {
  override readonly name = "LeaseLostError";
  constructor(lane: string) {
    super(`the lease on lane ${lane} was lost`);
  }
}

/** The user's next customer may have come before the word of the old one's end. */
async function unlink(parts: StoreParts, customerId: string, now: number): Promise<void> {
  const userId = await parts.customers.findUserOf(customerId);
  await parts.customers.unlink(customerId);
  const next = userId === null ? null : await parts.customers.findCustomerNaming(userId);
  if (userId !== null && next !== null) await parts.customers.link(userId, next, now);
}

async function writeSnapshot(parts: StoreParts, snapshot: Snapshot, now: number): Promise<void> {
  for (const customer of snapshot.customers) {
    await parts.customers.saveCustomer(customer);
    if (customer.deleted) await unlink(parts, customer.id, now);
    else if (customer.userId !== null) await parts.customers.link(customer.userId, customer.id, now);
  }
  for (const subscription of snapshot.subscriptions) await parts.subscriptions.saveSubscription(subscription);
  for (const invoice of snapshot.invoices) await parts.subscriptions.saveInvoice(invoice);
  for (const method of snapshot.paymentMethods) await parts.customers.savePaymentMethod(method);
  for (const product of snapshot.products) await parts.catalog.saveProduct(product);
  for (const price of snapshot.prices) await parts.catalog.savePrice(price);
  for (const product of snapshot.seen.products) await parts.catalog.addProduct(product);
  for (const price of snapshot.seen.prices) await parts.catalog.addPrice(price);
  const { subscription: ended, paymentMethod, product, price } = snapshot.removed;
  if (ended) await parts.subscriptions.endSubscription(ended, now);
  if (paymentMethod) await parts.customers.removePaymentMethod(paymentMethod);
  if (product) await parts.catalog.removeProduct(product);
  if (price) await parts.catalog.removePrice(price);
}
