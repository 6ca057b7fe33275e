/** Records the past states of Stripe's objects, which the mirror and the hooks may still show. */
import type { Emulator } from "../../packages/emulator/src/index.ts";
import type { StripeSubscription, Tables, Violate } from "./audit-types.ts";
import { checkBooks, isDeleted, USER_KEY, usersServedSince } from "./stripe-books.ts";
import { stateAtStripe } from "./subscription-state.ts";

export interface StripeHistory {
  /** Maps each subscription to all its states at Stripe, oldest first. */
  states: ReadonlyMap<string, readonly string[]>;
  /** Maps each subscription to the id of its latest event. */
  lastEvents: ReadonlyMap<string, string>;
  /** Maps each customer to all users that its metadata has named. */
  owners: ReadonlyMap<string, ReadonlySet<string>>;
  /** Contains all users that the metadata of a customer has named. */
  users: ReadonlySet<string>;
  /** Returns true if the customer's metadata has named several users. */
  isMoved(customerId: string): boolean;
  /**
   * Call this function when the service's database was restored from a backup that was made at the instant `backupAt`. The service
   * may create again what it created for users since then.
   */
  restored(backupAt: number): void;
  /** Returns a copy of Stripe's current data. Copying Stripe's data is slow if the data is large. */
  tables(): Tables | null;
  /** Returns Stripe's data as the last call of `update` read it. */
  lastTables(): Tables | null;
  /**
   * Records all changes of Stripe's data since the last call of `update`, and checks the changed data against the auditor's
   * rules.
   */
  update(): void;
}

interface Owned {
  id: string;
  metadata?: Record<string, string>;
}

/** The Stripe account that belongs to the API key of the test. */
const ACCOUNT = "123";

export function createStripeHistory(emulator: Emulator, violate: Violate): StripeHistory {
  const states = new Map<string, string[]>();
  const lastEvents = new Map<string, string>();
  const owners = new Map<string, Set<string>>();
  const users = new Set<string>();
  const seenEvents = new Set<string>();
  /** Contains the users for whom the service created something that it has forgotten. */
  const forgottenUsers = new Set<string>();
  let lastTables: Tables | null = null;
  const tables = (): Tables | null => emulator.snapshot().accounts.get(ACCOUNT)?.tables ?? null;

  const recordState = (subscription: StripeSubscription): void => {
    const known = states.get(subscription.id) ?? [];
    states.set(subscription.id, known);
    const state = stateAtStripe(subscription);
    if (known.at(-1) !== state) known.push(state);
  };
  const recordOwner = ({ id, metadata }: Owned): void => {
    const userId = metadata?.[USER_KEY];
    if (userId !== undefined) users.add(userId);
    if (userId !== undefined) owners.set(id, (owners.get(id) ?? new Set()).add(userId));
  };
  const recordEvent = (eventId: string, object: { object: string }): void => {
    if (seenEvents.has(eventId)) return;
    seenEvents.add(eventId);
    if (object.object === "customer") recordOwner(object as unknown as Owned);
    if (object.object !== "subscription") return;
    recordState(object as StripeSubscription);
    lastEvents.set((object as StripeSubscription).id, eventId);
  };

  const isMoved = (customerId: string): boolean => (owners.get(customerId)?.size ?? 0) > 1;

  return {
    users,
    isMoved,
    restored(backupAt) {
      const now = tables();
      if (now) for (const userId of usersServedSince(now, backupAt)) forgottenUsers.add(userId);
    },
    states,
    lastEvents,
    owners,
    tables,
    lastTables: () => lastTables,
    update() {
      const now = tables();
      lastTables = now;
      if (!now) return;
      for (const event of now.event.values()) recordEvent(event.id, event.data.object as { object: string });
      for (const customer of now.customer.values()) if (!isDeleted(customer)) recordOwner(customer);
      for (const subscription of now.subscription.values()) recordState(subscription);
      checkBooks(now, { isMoved, forgottenUsers }, violate);
      for (const problem of emulator.audit()) violate(`Stripe's books: ${problem}`);
    },
  };
}
