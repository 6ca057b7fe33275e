/**
 * Decides which hooks a change of the mirror causes. The transaction that writes the change also adds the hooks to the outbox.
 */
import { decideEntitlements, nextAccessChange, type AccessPolicy, type Entitlement } from "../domain/access.ts";
import { findSeveralLive } from "../domain/checkout.ts";
import type { AccessGrantedHook, AccessHook } from "../domain/hooks.ts";
import { ownerKey, type BillingOwner } from "../domain/owner.ts";
import type { Plans } from "../domain/plans.ts";
import type { Runtime } from "../runtime.ts";
import type { AnnouncedAccess } from "../store/mirror/announced-access.ts";
import type { MirroredSubscription } from "../store/mirror/subscriptions.ts";
import type { StoreParts } from "../store/store.ts";
import {
  announceRecords,
  NO_RECORDS,
  type Announcement,
  type PreviousRecords,
  type WrittenRecords,
} from "./announce-records.ts";
import type { RecordedFact } from "./count-facts.ts";
import type { PendingAlarm } from "./owners.ts";
import { emptySnapshot, type Snapshot } from "./retrieve.ts";

export interface AnnounceContext {
  plans: Plans;
  policy: AccessPolicy;
  runtime: Runtime;
}

/** A change to announce: a write of an owner's lane, or a new link between an owner and a customer. */
export interface Change {
  owner: BillingOwner;
  snapshot: Snapshot | null;
  /** The records as they were before the current write. Hooks have already announced these earlier states. */
  previous?: PreviousRecords;
  /**
   * Id of the customer that the current write linked to the owner. No hook has announced anything about a newly linked customer
   * yet. The id is undefined if the write linked no customer.
   */
  newlyLinkedCustomer?: string;
}

/** The alarms to raise and the facts to count after the commit of a transaction. */
export interface AfterCommit {
  alarms: readonly PendingAlarm[];
  facts: readonly RecordedFact[];
}

/** Adds the hooks about the changes to the outbox. Returns what the caller reports after the commit. */
export async function announce(
  parts: StoreParts,
  context: AnnounceContext,
  changes: readonly Change[],
): Promise<AfterCommit> {
  if (changes.length === 0) return { alarms: [], facts: [] };
  // An owner with several customers may occur in several changes.
  const owners = [...new Map(changes.map(({ owner }) => [ownerKey(owner), owner])).values()];
  const announced = await parts.announcedAccess.lockForUpdate(owners);
  const states = await parts.subscriptions.listOfOwners(owners);
  const access = await announceAccess(parts, context, { owners, announced, states });
  const messages = await announceWrites(parts, context, changes, states);
  const createdAt = context.runtime.now();
  const announcements = [...access, ...messages];
  await parts.outbox.add(
    announcements.map(({ hook, event }) => ({
      id: event.id,
      owner: event.owner,
      hook,
      payload: JSON.stringify(event),
      createdAt,
    })),
  );
  const alarms = changes.flatMap((change) => findDoubleSubscriptions(context.plans, change, states));
  return { alarms, facts: announcements };
}

/** Returns an alarm for each plan group in which the owner has several live subscriptions, if one of them was written. */
function findDoubleSubscriptions(plans: Plans, change: Change, states: StatesByOwner): PendingAlarm[] {
  const written = recordsToAnnounce(change, states).subscriptions.map(({ id }) => id);
  if (written.length === 0) return [];
  return findSeveralLive(states.get(ownerKey(change.owner)) ?? [], plans)
    .filter(({ subscriptionIds }) => subscriptionIds.some((id) => written.includes(id)))
    .map((fields) => ({ kind: "two_subscriptions", fields }));
}

/** Returns the hooks about the records that were written, and about those that a newly linked customer already had. */
async function announceWrites(
  parts: StoreParts,
  { runtime }: AnnounceContext,
  changes: readonly Change[],
  states: StatesByOwner,
): Promise<Announcement[]> {
  const announced: Announcement[] = [];
  for (const change of changes) {
    const written = recordsToAnnounce(change, states);
    const refunded = written.refunds.flatMap(({ invoiceId }) => invoiceId ?? []);
    const refundsOfInvoices = await parts.reversals.listRefundsOfInvoices(refunded);
    const input = { ...written, refundsOfInvoices, previous: change.previous ?? NO_RECORDS, now: runtime.billingNow() };
    announced.push(...announceRecords(change.owner, input));
  }
  return announced;
}

function recordsToAnnounce({ owner, snapshot, newlyLinkedCustomer }: Change, states: StatesByOwner): WrittenRecords {
  const ofOwner = states.get(ownerKey(owner)) ?? [];
  const mirrored = ofOwner.filter(({ subscription }) => subscription.customerId === newlyLinkedCustomer);
  const written = snapshot ?? emptySnapshot(null);
  return {
    invoices: uniqueById([...mirrored.flatMap(({ latestInvoice }) => latestInvoice ?? []), ...written.invoices]),
    subscriptions: uniqueById([...mirrored.map(({ subscription }) => subscription), ...written.subscriptions]),
    refunds: uniqueById([...mirrored.flatMap(({ reversals }) => reversals?.refunds ?? []), ...written.refunds]),
    disputes: uniqueById([...mirrored.flatMap(({ reversals }) => reversals?.disputes ?? []), ...written.disputes]),
  };
}

function uniqueById<Row extends { id: string }>(rows: readonly Row[]): Row[] {
  return [...new Map(rows.map((row) => [row.id, row])).values()];
}

/** Subscriptions of owners. Each key of the map of owners is a text that the function `ownerKey` made from an owner. */
type StatesByOwner = ReadonlyMap<string, readonly MirroredSubscription[]>;

interface AccessInput {
  owners: readonly BillingOwner[];
  announced: ReadonlyMap<string, AnnouncedAccess>;
  states: StatesByOwner;
}

/** Decides the owners' access, saves it, and returns the differences from the access that was announced last. */
async function announceAccess(
  parts: StoreParts,
  { plans, policy, runtime }: AnnounceContext,
  { owners, announced, states }: AccessInput,
): Promise<Announcement[]> {
  const now = runtime.billingNow();
  const decided = owners.map((owner) => {
    const ofOwner = states.get(ownerKey(owner)) ?? [];
    const entitlements = decideEntitlements(ofOwner, plans, policy, now);
    return { owner, entitlements, checkAt: nextAccessChange(ofOwner, policy, now) };
  });
  await parts.announcedAccess.save(
    decided.map(({ owner, entitlements, checkAt }) => ({ owner, features: featuresOf(entitlements), checkAt })),
  );
  return decided.flatMap(({ owner, entitlements }) =>
    // The id is random, because a counter would repeat its values after the database was restored from a backup.
    accessChanges(owner, entitlements, announced.get(ownerKey(owner))?.features ?? [], runtime.newId()),
  );
}

function featuresOf(entitlements: readonly Entitlement[]): string[] {
  return entitlements.map(({ feature }) => feature);
}

function accessChanges(
  owner: BillingOwner,
  entitlements: readonly Entitlement[],
  before: readonly string[],
  changeId: string,
): Announcement[] {
  const features = featuresOf(entitlements);
  const granted = features.filter((feature) => !before.includes(feature));
  const revoked = before.filter((feature) => !features.includes(feature));
  const grantedEvent: AccessGrantedHook = {
    id: `access_granted:${changeId}`,
    owner,
    features: granted,
    entitlements: entitlements
      .filter(({ feature }) => granted.includes(feature))
      .map(({ feature, plan, until, reason }) => ({ feature, plan, until, reason })),
  };
  const revokedEvent: AccessHook = { id: `access_revoked:${changeId}`, owner, features: revoked };
  return [
    ...(granted.length > 0 ? [{ hook: "onAccessGranted" as const, event: grantedEvent }] : []),
    ...(revoked.length > 0 ? [{ hook: "onAccessRevoked" as const, event: revokedEvent }] : []),
  ];
}
