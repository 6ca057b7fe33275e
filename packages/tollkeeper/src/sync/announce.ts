/**
 * Decides which hooks a change of the mirror causes. The transaction that writes the change also adds the hooks to the outbox.
 */
import { decideEntitlements, nextAccessChange, type AccessPolicy, type Entitlement } from "../domain/access.ts";
import { findSeveralLive } from "../domain/checkout.ts";
import type { AccessGrantedHook, AccessHook, HookName, PaymentHook, TrialHook } from "../domain/hooks.ts";
import { fractionDigitsOf } from "../domain/money.ts";
import { ownerKey, type BillingOwner } from "../domain/owner.ts";
import { paymentHookId, paymentNotice, paymentOutcome, type PaymentOutcome } from "../domain/payment.ts";
import type { Plans } from "../domain/plans.ts";
import type { InvoiceRecord, SubscriptionRecord } from "../domain/records.ts";
import type { Runtime } from "../runtime.ts";
import type { AnnouncedAccess } from "../store/mirror/announced-access.ts";
import type { MirroredSubscription } from "../store/mirror/subscriptions.ts";
import type { StoreParts } from "../store/store.ts";
import type { PendingAlarm } from "./owners.ts";
import type { Snapshot } from "./retrieve.ts";

export interface AnnounceContext {
  plans: Plans;
  policy: AccessPolicy;
  runtime: Runtime;
}

/** A change to announce: a write of an owner's lane, or a new link between an owner and a customer. */
export interface Change {
  owner: BillingOwner;
  snapshot: Snapshot | null;
  /**
   * The mirror's invoices as they were before the current write. Hooks have already announced the payment outcomes of these
   * earlier invoice states.
   */
  previousInvoices?: ReadonlyMap<string, InvoiceRecord>;
  /**
   * Id of the customer that the current write linked to the owner. No hook has announced anything about a newly linked customer
   * yet. The id is undefined if the write linked no customer.
   */
  newlyLinkedCustomer?: string;
  /** Id of the write to the mirror. The ids of the access hooks are this id and a random part. */
  id: string;
}

/** Adds the hooks that the changes cause to the outbox. Returns the alarms to raise after the commit. */
export async function announce(
  parts: StoreParts,
  context: AnnounceContext,
  changes: readonly Change[],
): Promise<PendingAlarm[]> {
  if (changes.length === 0) return [];
  // An owner with several customers may occur in several changes.
  const owners = [...new Map(changes.map(({ owner }) => [ownerKey(owner), owner])).values()];
  const announced = await parts.announcedAccess.lockForUpdate(owners);
  const states = await parts.subscriptions.listOfOwners(owners);
  const access = await announceAccess(parts, context, { owners, changes, announced, states });
  const messages = changes.flatMap((change) => {
    const { invoices, subscriptions } = recordsToAnnounce(change, states);
    return [
      ...invoices.flatMap((invoice) =>
        announcePayment(change.owner, invoice, change.previousInvoices?.get(invoice.id)),
      ),
      ...subscriptions.flatMap((subscription) => announceTrialEnd(context, change.owner, subscription)),
    ];
  });
  const createdAt = context.runtime.now();
  await parts.outbox.add(
    [...access, ...messages].map(({ hook, event }) => ({
      id: event.id,
      owner: event.owner,
      hook,
      payload: JSON.stringify(event),
      createdAt,
    })),
  );
  return changes.flatMap((change) => findDoubleSubscriptions(context.plans, change, states));
}

/** Returns an alarm for each plan group in which the owner has several live subscriptions, if one of them was written. */
function findDoubleSubscriptions(plans: Plans, change: Change, states: StatesByOwner): PendingAlarm[] {
  const written = recordsToAnnounce(change, states).subscriptions.map(({ id }) => id);
  if (written.length === 0) return [];
  return findSeveralLive(states.get(ownerKey(change.owner)) ?? [], plans)
    .filter(({ subscriptionIds }) => subscriptionIds.some((id) => written.includes(id)))
    .map((fields) => ({ kind: "two_subscriptions", fields }));
}

/**
 * Returns the records to announce: those that were written, and those that a newly linked customer already had in the mirror.
 */
function recordsToAnnounce(
  { owner, snapshot, newlyLinkedCustomer }: Change,
  states: StatesByOwner,
): Pick<Snapshot, "invoices" | "subscriptions"> {
  const ofOwner = states.get(ownerKey(owner)) ?? [];
  const mirrored = ofOwner.filter(({ subscription }) => subscription.customerId === newlyLinkedCustomer);
  return {
    invoices: uniqueById([
      ...mirrored.flatMap(({ latestInvoice }) => latestInvoice ?? []),
      ...(snapshot?.invoices ?? []),
    ]),
    subscriptions: uniqueById([
      ...mirrored.map(({ subscription }) => subscription),
      ...(snapshot?.subscriptions ?? []),
    ]),
  };
}

function uniqueById<Row extends { id: string }>(rows: readonly Row[]): Row[] {
  return [...new Map(rows.map((row) => [row.id, row])).values()];
}

/** Subscriptions of owners. Each key of the map of owners is a text that the function `ownerKey` made from an owner. */
type StatesByOwner = ReadonlyMap<string, readonly MirroredSubscription[]>;

interface Announcement {
  hook: HookName;
  event: { id: string; owner: BillingOwner };
}

interface AccessInput {
  owners: readonly BillingOwner[];
  changes: readonly Change[];
  announced: ReadonlyMap<string, AnnouncedAccess>;
  states: StatesByOwner;
}

/** Decides the owners' access, saves it, and returns the differences from the access that was announced last. */
async function announceAccess(
  parts: StoreParts,
  { plans, policy, runtime }: AnnounceContext,
  { owners, changes, announced, states }: AccessInput,
): Promise<Announcement[]> {
  const now = runtime.billingNow();
  const changeIds = new Map(changes.map(({ owner, id }) => [ownerKey(owner), id]));
  const decided = owners.map((owner) => {
    const ofOwner = states.get(ownerKey(owner)) ?? [];
    const entitlements = decideEntitlements(ofOwner, plans, policy, now);
    return { owner, entitlements, checkAt: nextAccessChange(ofOwner, policy, now) };
  });
  await parts.announcedAccess.save(
    decided.map(({ owner, entitlements, checkAt }) => ({ owner, features: featuresOf(entitlements), checkAt })),
  );
  return decided.flatMap(({ owner, entitlements }) => {
    const key = ownerKey(owner);
    // The id of a change contains a counter. If the database is restored from a backup, the counter repeats its values.
    const changeId = `${changeIds.get(key) ?? ""}:${runtime.newId()}`;
    return accessChanges(owner, entitlements, announced.get(key)?.features ?? [], changeId);
  });
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

const PAYMENT_HOOKS: Record<PaymentOutcome, HookName> = {
  succeeded: "onPaymentSucceeded",
  failed: "onPaymentFailed",
  action_required: "onPaymentActionRequired",
};

/**
 * Returns the hooks that must run about an invoice's payment. Returns no hooks if the invoice's payment already had the same
 * outcome before the current write. The outbox's unique ids alone do not prevent repeated hooks, because old rows of the outbox
 * are deleted. The error message of a payment attempt may also change when Stripe stops retrying the payment.
 */
function announcePayment(
  owner: BillingOwner,
  invoice: InvoiceRecord,
  previous: InvoiceRecord | undefined,
): Announcement[] {
  const outcome = paymentOutcome(invoice);
  if (outcome === null) return [];
  const id = paymentHookId(invoice, outcome);
  const previousOutcome = previous ? paymentOutcome(previous) : null;
  if (previous && previousOutcome && paymentHookId(previous, previousOutcome) === id) return [];
  const { message, actionUrl } = paymentNotice(invoice);
  const event: PaymentHook = {
    id,
    owner,
    invoiceId: invoice.id,
    subscriptionId: invoice.subscriptionId,
    amount: invoice.total,
    currency: invoice.currency,
    fractionDigits: fractionDigitsOf(invoice.currency),
    message,
    actionUrl,
  };
  return [{ hook: PAYMENT_HOOKS[outcome], event }];
}

/**
 * Maximum time in milliseconds before the end of a trial at which the hook about the trial's end runs. Stripe sends its event
 * about the end of a trial three days ahead. One hour is added to the three days because our clock may differ from Stripe's
 * clock.
 */
const TRIAL_NOTICE_MS = (3 * 24 + 1) * 3_600_000;

function announceTrialEnd(
  { runtime }: AnnounceContext,
  owner: BillingOwner,
  { id, status, trialEnd }: SubscriptionRecord,
): Announcement[] {
  if (status !== "trialing" || trialEnd === null || trialEnd - runtime.billingNow() > TRIAL_NOTICE_MS) return [];
  const event: TrialHook = { id: `trial_will_end:${id}:${trialEnd}`, owner, subscriptionId: id, trialEnd };
  return [{ hook: "onTrialWillEnd", event }];
}
