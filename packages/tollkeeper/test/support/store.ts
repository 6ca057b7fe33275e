/** Opens stores and makes events for tests of the store. */
import { onTestFinished } from "vitest";
import { userOwner } from "../../src/domain/owner.ts";
import type { Mode } from "../../src/domain/records.ts";
import type { Claim } from "../../src/store/queue/queue-lanes.ts";
import type { ClaimedEvent, InboxEvent } from "../../src/store/queue/inbox.ts";
import type { OutboxMessage } from "../../src/store/queue/outbox.ts";
import { openStore } from "../../src/store/open-store.ts";
import type { Store } from "../../src/store/store.ts";
import { DIALECTS, type DialectName } from "../../../../test/support/databases.ts";
import { NOW } from "./records.ts";

/**
 * Lists the databases for tests that can run on both SQLite and PostgreSQL. Mutation tests use SQLite only, because PostgreSQL
 * takes long to create a database for each test. Tests that are only for PostgreSQL run on PostgreSQL, also in mutation tests.
 */
export const STORE_DIALECTS: readonly DialectName[] = process.env["MUTATE_TESTS"] === undefined ? DIALECTS : ["sqlite"];

/** Opens and migrates a store. Closes the store at the end of the test. */
export async function openStoreAt(url: string, mode: Mode = "test"): Promise<Store> {
  const store = openStore({ url, mode });
  onTestFinished(() => store.close());
  await store.migrate();
  return store;
}

export function inboxEvent(eventId: string, changes: Partial<InboxEvent> = {}): InboxEvent {
  return {
    eventId,
    type: "customer.subscription.updated",
    objectId: "sub_1",
    lane: "cus_1",
    eventCreatedAt: NOW,
    ...changes,
  };
}

/** Returns the only claim in the list. Throws if the list has no claim or several claims. */
export function onlyClaim<T extends Claim>(claims: readonly T[]): T {
  const [claim, ...others] = claims;
  if (!claim || others.length > 0) throw new Error(`expected one claim, got ${claims.length}`);
  return claim;
}

/**
 * Claims all due events. For each claimed event, calls the function in `endings` whose key is the event's id. Completes the
 * events for which `endings` has no function.
 */
export async function endClaims(
  inbox: Store["inbox"],
  now: number,
  endings: Record<string, (claim: ClaimedEvent) => Promise<unknown>> = {},
): Promise<void> {
  for (const claim of await inbox.claim(100, now, now + 1_000))
    await (endings[claim.eventId] ?? ((it: ClaimedEvent) => inbox.complete(it)))(claim);
}

/** The hooks that the workers in tests of the store handle. */
export const HOOKS = ["onAccessGranted", "onAccessRevoked", "onPaymentSucceeded"];

export function outboxMessage(id: string, changes: Partial<OutboxMessage> = {}): OutboxMessage {
  return { id, owner: userOwner("ada"), hook: "onAccessGranted", payload: "{}", createdAt: NOW, ...changes };
}
