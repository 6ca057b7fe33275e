/** Notices what a change means for the app, and writes it to the outbox in the same transaction. */
import { decideEntitlements, nextAccessChange, type AccessPolicy, type Entitlement } from "../domain/access.ts";
import type { AccessGrantedHook, AccessHook, HookName, PaymentHook, TrialHook } from "../domain/hooks.ts";
import { paymentHookId, paymentNotice, paymentOutcome, type PaymentOutcome } from "../domain/payment.ts";
import type { Plans } from "../domain/plans.ts";
import type { InvoiceRecord, SubscriptionRecord } from "../domain/records.ts";
import type { Runtime } from "../runtime.ts";
import type { StoreParts } from "../store/open-store.ts";
import type { AccessGrant } from "../store/mirror/announced-access.ts";
import type { MirroredSubscription } from "../store/mirror/subscriptions.ts";
import type { Snapshot } from "./retrieve.ts";

export interface AnnounceContext {
  plans: Plans;
  policy: AccessPolicy;
  runtime: Runtime;
}

/** What was written of a user's lane, or that another customer became the user's. */
export interface Change {
  userId: string;
  snapshot: Snapshot | null;
  /** The invoices as the mirror had them: what they said of a payment was told when it was written. */
  toldOf?: ReadonlyMap<string, InvoiceRecord>;
  /** The customer, where it became the user's with this write: of what it had before nobody was told. */
  joined?: string;
  /** Names this write of this lane, so that its announcements have stable ids. */
  id: string;
}

export async function announce(parts: StoreParts, context: AnnounceContext, changes: readonly Change[]): Promise<void> {
  if (changes.length === 0) return;
  const userIds = [...new Set(changes.map(({ userId }) => userId))];
  const grants = await parts.grants.hold(userIds);
  const states = await parts.subscriptions.listOfUsers(userIds);
  const access = await announceAccess(parts, context, { changes, grants, states });
  const messages = changes.flatMap((change) => {
    const { invoices, subscriptions } = toBeTold(change, states);
    return [
      ...invoices.flatMap((invoice) => announcePayment(change.userId, invoice, change.toldOf?.get(invoice.id))),
      ...subscriptions.flatMap((subscription) => announceTrialEnd(context, change.userId, subscription)),
    ];
  });
  const createdAt = context.runtime.now();
  await parts.outbox.add(
    [...access, ...messages].map(({ hook, event }) => ({
      id: event.id,
      userId: event.userId,
      hook,
      payload: JSON.stringify(event),
      createdAt,
    })),
  );
}

/** What was written, and what was there before there was anybody to tell. */
function toBeTold(
  { userId, snapshot, joined }: Change,
  states: StatesOfUsers,
): Pick<Snapshot, "invoices" | "subscriptions"> {
  const known = (states.get(userId) ?? []).filter(({ subscription }) => subscription.customerId === joined);
  return {
    invoices: eachOnce([...known.flatMap(({ latestInvoice }) => latestInvoice ?? []), ...(snapshot?.invoices ?? [])]),
    subscriptions: eachOnce([...known.map(({ subscription }) => subscription), ...(snapshot?.subscriptions ?? [])]),
  };
}

function eachOnce<Row extends { id: string }>(rows: readonly Row[]): Row[] {
  return [...new Map(rows.map((row) => [row.id, row])).values()];
}

type StatesOfUsers = ReadonlyMap<string, readonly MirroredSubscription[]>;

interface Announcement {
  hook: HookName;
  event: { id: string; userId: string };
}

/** Decides the users' access, and what has changed of it since it was last decided. */
async function announceAccess(
  parts: StoreParts,
  { plans, policy, runtime }: AnnounceContext,
  {
    changes,
    grants,
    states,
  }: { changes: readonly Change[]; grants: ReadonlyMap<string, AccessGrant>; states: StatesOfUsers },
): Promise<Announcement[]> {
  const now = runtime.billingNow();
  // A user with two customers may stand here twice.
  const changeOf = new Map(changes.map(({ userId, id }) => [userId, id]));
  const decided = [...changeOf.keys()].map((userId) => {
    const ofUser = states.get(userId) ?? [];
    const entitlements = decideEntitlements(ofUser, plans, policy, now);
    return { userId, entitlements, checkAt: nextAccessChange(ofUser, policy, now) };
  });
  await parts.grants.save(
    decided.map(({ userId, entitlements, checkAt }) => ({ userId, features: featuresOf(entitlements), checkAt })),
  );
  return decided.flatMap(({ userId, entitlements }) =>
    accessChanges(userId, entitlements, grants.get(userId)?.features ?? [], changeOf.get(userId) ?? ""),
  );
}

function featuresOf(entitlements: readonly Entitlement[]): string[] {
  return entitlements.map(({ feature }) => feature);
}

function accessChanges(
  userId: string,
  entitlements: readonly Entitlement[],
  before: readonly string[],
  changeId: string,
): Announcement[] {
  const features = featuresOf(entitlements);
  const granted = features.filter((feature) => !before.includes(feature));
  const revoked = before.filter((feature) => !features.includes(feature));
  const given: AccessGrantedHook = {
    id: `access_granted:${changeId}`,
    userId,
    features: granted,
    entitlements: entitlements
      .filter(({ feature }) => granted.includes(feature))
      .map(({ feature, plan, until, reason }) => ({ feature, plan, until, reason })),
  };
  const taken: AccessHook = { id: `access_revoked:${changeId}`, userId, features: revoked };
  return [
    ...(granted.length > 0 ? [{ hook: "onAccessGranted" as const, event: given }] : []),
    ...(revoked.length > 0 ? [{ hook: "onAccessRevoked" as const, event: taken }] : []),
  ];
}

const PAYMENT_HOOKS: Record<PaymentOutcome, HookName> = {
  succeeded: "onPaymentSucceeded",
  failed: "onPaymentFailed",
  action_required: "onPaymentActionRequired",
};

/**
 * The outbox would know that it was told, but not for ever; and the same attempt's words may change: Stripe gives it up.
 */
function announcePayment(userId: string, invoice: InvoiceRecord, before: InvoiceRecord | undefined): Announcement[] {
  const outcome = paymentOutcome(invoice);
  if (outcome === null) return [];
  const id = paymentHookId(invoice, outcome);
  const outcomeBefore = before ? paymentOutcome(before) : null;
  if (before && outcomeBefore && paymentHookId(before, outcomeBefore) === id) return [];
  const { message, actionUrl } = paymentNotice(invoice);
  const event: PaymentHook = {
    id,
    userId,
    invoiceId: invoice.id,
    subscriptionId: invoice.subscriptionId,
    amount: invoice.total,
    currency: invoice.currency,
    message,
    actionUrl,
  };
  return [{ hook: PAYMENT_HOOKS[outcome], event }];
}

/** Stripe tells three days ahead; an hour of slack for clocks that differ. */
const TRIAL_NOTICE_MS = (3 * 24 + 1) * 3_600_000;

function announceTrialEnd(
  { runtime }: AnnounceContext,
  userId: string,
  { id, status, trialEnd }: SubscriptionRecord,
): Announcement[] {
  if (status !== "trialing" || trialEnd === null || trialEnd - runtime.billingNow() > TRIAL_NOTICE_MS) return [];
  const event: TrialHook = { id: `trial_will_end:${id}:${trialEnd}`, userId, subscriptionId: id, trialEnd };
  return [{ hook: "onTrialWillEnd", event }];
}
