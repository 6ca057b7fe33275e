/** Schedules the cancellation of a subscription for the end of its period, and reverts a scheduled cancellation. */
import type { Cancellation } from "../domain/cancellation.ts";
import { userOwner } from "../domain/owner.ts";
import { isLive, scheduledEnd } from "../domain/subscription.ts";
import type { User } from "../domain/user.ts";
import { ConflictError, NotFoundError, UnavailableError } from "../errors.ts";
import type { MirroredSubscription } from "../store/mirror/subscriptions.ts";
import type { CancelRequest, ResumeRequest, Subscription } from "../wire.ts";
import type { ActionContext } from "./context.ts";
import { finishPending, runSimpleOperation, type OperationKind } from "./operation.ts";
import { viewSubscription } from "./subscription-view.ts";

/**
 * Cancel and resume are one kind of operation, so that a subscription's pending change is finished before the subscription's
 * next change starts.
 */
type Change = { change: "cancel"; cancellation: Cancellation } | { change: "resume"; cancelAtPeriodEnd: boolean };

export const changeOperation: OperationKind<Change, void> = {
  kind: "subscription_change",
  async act({ gateway }, sent, { key, subject: id }) {
    if (sent.change === "cancel") await gateway.cancelSubscription(id, sent.cancellation, key);
    else await gateway.resumeSubscription(id, sent.cancelAtPeriodEnd, key);
  },
};

/**
 * Cancels a subscription at the end of its period. The user keeps access until the period ends. Canceling a subscription a
 * second time changes nothing. Throws `NotFoundError` if the subscription belongs to another user, and `ConflictError`
 * `not_cancelable` if it has ended.
 */
export async function cancelSubscription(
  context: ActionContext,
  user: User,
  { subscriptionId, reason, comment }: CancelRequest,
): Promise<Subscription> {
  return change(context, user, subscriptionId, ({ subscription }) => {
    if (!isLive(subscription))
      throw new ConflictError(
        "not_cancelable",
        `Subscription "${subscription.id}" is ${subscription.status}, so it can't be canceled.`,
      );
    return scheduledEnd(subscription) === null ? { change: "cancel", cancellation: { reason, comment } } : null;
  });
}

/**
 * Reverts the scheduled cancellation of a subscription. Throws the same errors as `cancelSubscription`, except that the code is
 * `not_resumable` if the subscription has ended.
 */
export async function resumeSubscription(
  context: ActionContext,
  user: User,
  { subscriptionId }: ResumeRequest,
): Promise<Subscription> {
  return change(context, user, subscriptionId, ({ subscription }) => {
    if (!isLive(subscription))
      throw new ConflictError(
        "not_resumable",
        `Subscription "${subscription.id}" is ${subscription.status}. Start a new checkout instead.`,
      );
    if (scheduledEnd(subscription) === null) return null;
    return { change: "resume", cancelAtPeriodEnd: subscription.cancelAtPeriodEnd };
  });
}

/**
 * Maximum number of attempts to change a subscription. One attempt to change a subscription may do no more than finish an
 * earlier change. The next attempt to change the subscription first checks the subscription's state again.
 */
const MAX_ROUNDS = 4;

/**
 * Syncs the subscription and changes it at Stripe, until the subscription has the requested state. The function `decide`
 * returns null if the subscription already has the requested state.
 */
async function change(
  context: ActionContext,
  user: User,
  subscriptionId: string | undefined,
  decide: (state: MirroredSubscription) => Change | null,
): Promise<Subscription> {
  const { id, customerId } = (await findSubscription(context, user, subscriptionId)).subscription;
  return context.serialize(`subscription:${id}`, async () => {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      await context.sync.object({ object: "subscription", id, customerId });
      const current = await findSubscription(context, user, id);
      const params = decide(current);
      if (params !== null) await runSimpleOperation(context, changeOperation, { subject: id, params });
      // If the response to an earlier change of the subscription was lost, the change may still take effect, so it is finished
      // first.
      else if (!(await finishPending(context, changeOperation, id))) return viewSubscription(current, context.plans);
    }
    throw new UnavailableError("operation_in_progress", "Your subscription is being changed. Retry in a moment.");
  });
}

/** Returns the subscription with the given id. Without an id, returns the user's only live subscription. */
async function findSubscription(
  context: ActionContext,
  user: User,
  subscriptionId: string | undefined,
): Promise<MirroredSubscription> {
  const states = await context.store.subscriptions.listOfOwner(userOwner(user.id));
  if (subscriptionId !== undefined) {
    const named = states.find(({ subscription }) => subscription.id === subscriptionId);
    if (!named) throw new NotFoundError("not_found", `Subscription "${subscriptionId}" not found for this user.`);
    return named;
  }
  const live = states.filter(({ subscription }) => isLive(subscription));
  if (live.length > 1) {
    const ids = live.map(({ subscription }) => subscription.id).join(", ");
    throw new ConflictError(
      "ambiguous_subscription",
      `You have several subscriptions. Set subscriptionId to one of: ${ids}.`,
    );
  }
  const [only] = live;
  if (!only) throw new NotFoundError("not_found", "You have no subscription.");
  return only;
}
