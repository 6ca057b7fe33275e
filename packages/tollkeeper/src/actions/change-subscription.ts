/** Schedules the cancellation of a subscription for the end of its period, and reverts a scheduled cancellation. */
import { withoutOtherApps } from "../domain/access.ts";
import type { Cancellation } from "../domain/cancellation.ts";
import { canonicalJson } from "../domain/operations.ts";
import { userOwner } from "../domain/owner.ts";
import { parseStored } from "../domain/stored-json.ts";
import {
  decideCancel,
  decideResume,
  type ChangeDecision,
  type LastChange,
  type SubscriptionChange,
} from "../domain/subscription-change.ts";
import { isLive } from "../domain/subscription.ts";
import type { User } from "../domain/user.ts";
import { ConflictError, NotFoundError, TollkeeperError, UnavailableError } from "../errors.ts";
import type { MirroredSubscription } from "../store/mirror/subscriptions.ts";
import type { CancelRequest, ResumeRequest, Subscription } from "../wire.ts";
import { changeRefused } from "./change-refused.ts";
import type { ActionContext } from "./context.ts";
import { finishPending, runSimpleOperation, type OperationKind } from "./operation.ts";
import { planNameOf, viewSubscription } from "./subscription-view.ts";

/**
 * Cancel and resume are one kind of operation, so that a subscription's pending change is finished before the subscription's
 * next change starts.
 */
type ChangeParams = SubscriptionChange & { cancellation: Cancellation };

export const changeOperation: OperationKind<ChangeParams, LastChange> = {
  kind: "subscription_change",
  async act({ gateway }, sent, { key, subject: id }) {
    if (sent.change === "resume") {
      const cancelAt = await gateway.resumeSubscription(id, sent, key);
      return { change: "resume", cancelAt, paused: sent.paused };
    }
    if (sent.scheduleId !== null)
      await gateway.releaseSchedule(sent.scheduleId, { ...key, value: `${key.value}_release` });
    return { change: "cancel", end: sent.end, cancelAt: await gateway.cancelSubscription(id, sent, key) };
  },
};

/**
 * Cancels a subscription at the end of its period. The user keeps access until the period ends. A schedule of the subscription
 * is released first. A repeated request changes nothing. Throws `NotFoundError` if the subscription belongs to another user,
 * and `ConflictError` `not_cancelable` if it has ended.
 */
export async function cancelSubscription(
  context: ActionContext,
  user: User,
  { subscriptionId, reason, comment }: CancelRequest,
): Promise<Subscription> {
  return change(context, user, subscriptionId, {
    route: "cancel-subscription",
    cancellation: { reason, comment },
    decide: decideCancel,
  });
}

/**
 * Reverts the scheduled cancellation of a subscription. A repeated request changes nothing. Throws `NotFoundError` as
 * `cancelSubscription` does. Throws `ConflictError` `not_resumable` if the subscription has ended or is paused, or if the
 * merchant has set its end.
 */
export async function resumeSubscription(
  context: ActionContext,
  user: User,
  { subscriptionId }: ResumeRequest,
): Promise<Subscription> {
  return change(context, user, subscriptionId, {
    route: "resume-subscription",
    cancellation: {},
    decide: decideResume,
  });
}

/**
 * Maximum number of attempts to change a subscription. One attempt to change a subscription may do no more than finish an
 * earlier change. The next attempt to change the subscription first checks the subscription's state again.
 */
const MAX_ROUNDS = 5;

interface ChangeRequest {
  route: "cancel-subscription" | "resume-subscription";
  cancellation: Cancellation;
  decide: typeof decideCancel;
}

/**
 * Syncs the subscription and changes it at Stripe, until the request is fulfilled or refused. So the returned subscription has
 * the state that the user has requested.
 */
async function change(
  context: ActionContext,
  user: User,
  subscriptionId: string | undefined,
  { route, cancellation, decide }: ChangeRequest,
): Promise<Subscription> {
  const { id, customerId } = (await findSubscription(context, user, { subscriptionId, route })).subscription;
  return context.serialize(`subscription:${id}`, async () => {
    let refused: string | null = null;
    for (let round = 0; round < MAX_ROUNDS; round++) {
      await context.sync.object({ object: "subscription", id, customerId });
      const current = await findSubscription(context, user, { subscriptionId: id, route });
      const last = await findLastChange(context, id);
      const decision: ChangeDecision = decide(current.subscription, last, context.runtime.billingNow());
      if (decision.kind === "change") {
        const params = { ...decision.change, cancellation };
        const sent = canonicalJson(params);
        await runSimpleOperation(context, changeOperation, { subject: id, params }).catch((error: unknown) => {
          // Stripe may refuse a change because the subscription has changed since it was synced, so the change is decided again.
          if (sent === refused || !(error instanceof TollkeeperError) || error.retryable) throw error;
          refused = sent;
        });
      }
      // If the response to an earlier change of the subscription was lost, the change may still take effect, so it is finished
      // first.
      else if (!(await finishPending(context, changeOperation, id))) {
        if (decision.kind === "refused") throw changeRefused(route, decision.reason, current, context.plans);
        return viewSubscription(context, current);
      }
    }
    throw new UnavailableError("operation_in_progress", "Your subscription is being changed. Retry in a moment.");
  });
}

/** Returns the last change of the subscription that has succeeded; null if there is none or a newer change is pending. */
async function findLastChange({ store }: ActionContext, subscriptionId: string): Promise<LastChange | null> {
  const operation = await store.operations.findCurrent(changeOperation.kind, subscriptionId);
  if (operation?.state !== "succeeded") return null;
  return parseStored(operation.result) as LastChange | null;
}

/** Returns the subscription with the given id. Without an id, returns the user's only live subscription. */
async function findSubscription(
  context: ActionContext,
  user: User,
  { subscriptionId, route }: { subscriptionId: string | undefined; route: ChangeRequest["route"] },
): Promise<MirroredSubscription> {
  const states = withoutOtherApps(await context.store.subscriptions.listOfOwner(userOwner(user.id)), context.plans);
  if (subscriptionId !== undefined) {
    const named = states.find(({ subscription }) => subscription.id === subscriptionId);
    if (!named) throw new NotFoundError("not_found", `Subscription "${subscriptionId}" not found for this user.`);
    return named;
  }
  const live = states.filter(({ subscription }) => isLive(subscription));
  if (live.length > 1) {
    const named = live.map((state) => ({ id: state.subscription.id, name: planNameOf(state, context.plans) }));
    throw new ConflictError(
      "ambiguous_subscription",
      `You have several subscriptions. Set subscriptionId to one of: ${named.map(({ id, name }) => `${id} (${name ?? "no plan"})`).join(", ")}.`,
      {
        possible: named.map(({ id, name }) => ({
          route,
          subscriptionId: id,
          ...(name !== null && { planName: name }),
        })),
      },
    );
  }
  const [only] = live;
  if (!only) throw new NotFoundError("not_found", "You have no subscription.");
  return only;
}
