/** Notices what a change means for the app, and writes it to the outbox in the same transaction. */
import { decideEntitlements, nextAccessChange, type AccessPolicy } from "../domain/access.ts";
import type { AccessGrantedHook, AccessHook, HookName, PaymentHook, TrialHook } from "../domain/hooks.ts";
import { paymentHookId, paymentNotice, paymentOutcome, type PaymentOutcome } from "../domain/payment.ts";
import type { Plans } from "../domain/plans.ts";
import type { InvoiceRecord, SubscriptionRecord } from "../domain/records.ts";
import type { Runtime } from "../runtime.ts";
import type { StoreParts } from "../store/database.ts";
import type { Snapshot } from "./retrieve.ts";

export interface AnnounceContext {
  plans: Plans;
  policy: AccessPolicy;
  runtime: Runtime;
}

/** `changeId` names this write of this lane, so that its announcements have stable ids. */
export async function announce(
  parts: StoreParts,
  context: AnnounceContext,
  userId: string,
  snapshot: Snapshot | null,
  changeId: string,
): Promise<void> {
  await announceAccess(parts, context, userId, changeId);
  for (const invoice of snapshot?.invoices ?? []) await announcePayment(parts, context, userId, invoice);
  for (const subscription of snapshot?.subscriptions ?? [])
    await announceTrialEnd(parts, context, userId, subscription);
}

async function announceAccess(
  parts: StoreParts,
  { plans, policy, runtime }: AnnounceContext,
  userId: string,
  changeId: string,
): Promise<void> {
  const now = runtime.billingNow();
  const states = await parts.subscriptions.listOfUser(userId);
  const entitlements = decideEntitlements(states, plans, policy, now);
  const features = entitlements.map((entitlement) => entitlement.feature);
  const before = (await parts.grants.find(userId))?.features ?? [];
  const granted = features.filter((feature) => !before.includes(feature));
  const revoked = before.filter((feature) => !features.includes(feature));
  await parts.grants.save({ userId, features, checkAt: nextAccessChange(states, policy, now) });
  if (granted.length > 0) {
    const event: AccessGrantedHook = {
      id: `access_granted:${changeId}`,
      userId,
      features: granted,
      entitlements: entitlements
        .filter((entitlement) => granted.includes(entitlement.feature))
        .map(({ feature, plan, until, reason }) => ({ feature, plan, until, reason })),
    };
    await enqueue(parts, runtime, "onAccessGranted", event);
  }
  if (revoked.length > 0) {
    const event: AccessHook = { id: `access_revoked:${changeId}`, userId, features: revoked };
    await enqueue(parts, runtime, "onAccessRevoked", event);
  }
}

const PAYMENT_HOOKS: Record<PaymentOutcome, HookName> = {
  succeeded: "onPaymentSucceeded",
  failed: "onPaymentFailed",
  action_required: "onPaymentActionRequired",
};

async function announcePayment(
  parts: StoreParts,
  { runtime }: AnnounceContext,
  userId: string,
  invoice: InvoiceRecord,
): Promise<void> {
  const outcome = paymentOutcome(invoice);
  if (outcome === null) return;
  const { message, actionUrl } = paymentNotice(invoice);
  const event: PaymentHook = {
    id: paymentHookId(invoice, outcome),
    userId,
    invoiceId: invoice.id,
    subscriptionId: invoice.subscriptionId,
    amount: invoice.total,
    currency: invoice.currency,
    message,
    actionUrl,
  };
  await enqueue(parts, runtime, PAYMENT_HOOKS[outcome], event);
}

/** Stripe tells three days ahead; an hour of slack for clocks that differ. */
const TRIAL_NOTICE_MS = (3 * 24 + 1) * 3_600_000;

async function announceTrialEnd(
  parts: StoreParts,
  { runtime }: AnnounceContext,
  userId: string,
  { id, status, trialEnd }: SubscriptionRecord,
): Promise<void> {
  if (status !== "trialing" || trialEnd === null || trialEnd - runtime.billingNow() > TRIAL_NOTICE_MS) return;
  const event: TrialHook = { id: `trial_will_end:${id}:${trialEnd}`, userId, subscriptionId: id, trialEnd };
  await enqueue(parts, runtime, "onTrialWillEnd", event);
}

async function enqueue(
  parts: StoreParts,
  runtime: Runtime,
  hook: HookName,
  event: { id: string; userId: string },
): Promise<void> {
  const { id, userId } = event;
  await parts.outbox.add({ id, userId, hook, payload: JSON.stringify(event), createdAt: runtime.now() });
}
