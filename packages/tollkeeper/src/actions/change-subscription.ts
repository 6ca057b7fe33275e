/** Cancels at the period's end, and takes that back. */
import { isLive, scheduledEnd } from "../domain/subscription.ts";
import type { User } from "../domain/user.ts";
import { viewSubscription, type SubscriptionView } from "../domain/views.ts";
import { ConflictError, NotFoundError, UnavailableError } from "../errors.ts";
import type { MirroredSubscription } from "../store/mirror/subscriptions.ts";
import type { Cancellation } from "../stripe/gateway/gateway.ts";
import type { ActionContext } from "./context.ts";
import { finishLeftOver, runSimpleOperation, type OperationKind } from "./operation.ts";

export interface ChangeRequest {
  /** The user's only live subscription by default. */
  subscriptionId?: string | undefined;
}

export interface CancelRequest extends ChangeRequest, Cancellation {}

/** Both changes are one kind of operation, so that an unfinished one is finished before the other begins. */
type Change = { change: "cancel"; cancellation: Cancellation } | { change: "resume"; cancelAtPeriodEnd: boolean };

export const changeOperation: OperationKind<Change, void> = {
  kind: "subscription_change",
  async act({ gateway }, sent, { key, subject: id }) {
    if (sent.change === "cancel") await gateway.cancelSubscription(id, sent.cancellation, key);
    else await gateway.resumeSubscription(id, sent.cancelAtPeriodEnd, key);
  },
};

/**
 * The user keeps access until the period ends. Asking twice is asking once.
 * Throws `NotFoundError` for another user's subscription, `ConflictError` `not_cancelable` for one that has ended.
 */
export async function cancelSubscription(
  context: ActionContext,
  user: User,
  { subscriptionId, reason, comment }: CancelRequest,
): Promise<SubscriptionView> {
  return change(context, user, subscriptionId, ({ subscription }) => {
    if (!isLive(subscription))
      throw new ConflictError("not_cancelable", `This subscription is ${subscription.status}; it will not renew.`);
    return scheduledEnd(subscription) === null ? { change: "cancel", cancellation: { reason, comment } } : null;
  });
}

/** Throws as `cancelSubscription` does; `not_resumable` for one that has ended. */
export async function resumeSubscription(
  context: ActionContext,
  user: User,
  { subscriptionId }: ChangeRequest,
): Promise<SubscriptionView> {
  return change(context, user, subscriptionId, ({ subscription }) => {
    if (!isLive(subscription))
      throw new ConflictError("not_resumable", `This subscription is ${subscription.status}. Subscribe again instead.`);
    if (scheduledEnd(subscription) === null) return null;
    return { change: "resume", cancelAtPeriodEnd: subscription.cancelAtPeriodEnd };
  });
}

/** An operation that is finished first may have been another change, or an old answer: look again, and act again. */
const MAX_ROUNDS = 4;

/** Asks Stripe what is true, decides (null: it is as wanted), acts or finishes what is left over, and looks again. */
async function change(
  context: ActionContext,
  user: User,
  subscriptionId: string | undefined,
  decide: (state: MirroredSubscription) => Change | null,
): Promise<SubscriptionView> {
  const { id, customerId } = (await choose(context, user, subscriptionId)).subscription;
  return context.serialize(`subscription:${id}`, async () => {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      await context.sync.object({ object: "subscription", id, customerId });
      const current = await choose(context, user, id);
      const params = decide(current);
      if (params !== null) await runSimpleOperation(context, changeOperation, { subject: id, params });
      // It is as wanted, but what was asked for before, and of which nothing was heard, may yet change it.
      else if (!(await finishLeftOver(context, changeOperation, id))) return viewSubscription(current, context.plans);
    }
    throw new UnavailableError("operation_in_progress", "Your subscription is being changed. Try again in a moment.");
  });
}

async function choose(
  context: ActionContext,
  user: User,
  subscriptionId: string | undefined,
): Promise<MirroredSubscription> {
  const states = await context.store.subscriptions.listOfUser(user.id);
  if (subscriptionId !== undefined) {
    const named = states.find(({ subscription }) => subscription.id === subscriptionId);
    if (!named) throw new NotFoundError("not_found", `You have no subscription "${subscriptionId}".`);
    return named;
  }
  const live = states.filter(({ subscription }) => isLive(subscription));
  if (live.length > 1)
    throw new ConflictError("ambiguous_subscription", "You have several subscriptions: say which with subscriptionId.");
  const [only] = live;
  if (!only) throw new NotFoundError("not_found", "You have no subscription.");
  return only;
}
