/** Cancels at the period's end, and takes that back. */
import { isLive, scheduledEnd } from "../domain/subscription.ts";
import type { User } from "../domain/user.ts";
import { viewSubscription, type SubscriptionView } from "../domain/views.ts";
import { ConflictError, NotFoundError } from "../errors.ts";
import type { MirroredSubscription } from "../store/subscriptions.ts";
import type { Cancellation } from "../stripe/gateway.ts";
import type { ActionContext } from "./context.ts";
import { runSimpleOperation } from "./operation.ts";

export interface ChangeRequest {
  /** The user's only live subscription by default. */
  subscriptionId?: string | undefined;
}

export interface CancelRequest extends ChangeRequest, Cancellation {}

/** Both changes are one kind of operation, so that an unfinished one is finished before the other begins. */
type Change = { change: "cancel"; cancellation: Cancellation } | { change: "resume"; cancelAtPeriodEnd: boolean };

/**
 * The user keeps access until the period ends. Asking twice is asking once.
 * Throws `NotFoundError` for another user's subscription, `ConflictError` `not_cancelable` for one that has ended.
 */
export async function cancelSubscription(
  context: ActionContext,
  user: User,
  { subscriptionId, reason, comment }: CancelRequest,
): Promise<SubscriptionView> {
  const chosen = await choose(context, user, subscriptionId);
  if (!isLive(chosen.subscription))
    throw new ConflictError("not_cancelable", `This subscription is ${chosen.subscription.status}; it will not renew.`);
  if (scheduledEnd(chosen.subscription) !== null) return viewSubscription(chosen, context.plans);
  return apply(context, user, chosen, { change: "cancel", cancellation: { reason, comment } });
}

/** Throws as `cancelSubscription` does; `not_resumable` for one that has ended. */
export async function resumeSubscription(
  context: ActionContext,
  user: User,
  { subscriptionId }: ChangeRequest,
): Promise<SubscriptionView> {
  const chosen = await choose(context, user, subscriptionId);
  const { subscription } = chosen;
  if (!isLive(subscription))
    throw new ConflictError("not_resumable", `This subscription is ${subscription.status}. Subscribe again instead.`);
  if (scheduledEnd(subscription) === null) return viewSubscription(chosen, context.plans);
  return apply(context, user, chosen, { change: "resume", cancelAtPeriodEnd: subscription.cancelAtPeriodEnd });
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

async function apply(
  context: ActionContext,
  user: User,
  { subscription }: MirroredSubscription,
  params: Change,
): Promise<SubscriptionView> {
  const { gateway, sync } = context;
  return context.serialize(`subscription:${subscription.id}`, async () => {
    await runSimpleOperation(context, {
      kind: "subscription_change",
      subject: subscription.id,
      params,
      act: async (sent: Change, { key }) => {
        if (sent.change === "cancel") await gateway.cancelSubscription(subscription.id, sent.cancellation, key);
        else await gateway.resumeSubscription(subscription.id, sent.cancelAtPeriodEnd, key);
      },
    });
    await sync.object({ object: "subscription", id: subscription.id, customerId: subscription.customerId });
    const states = await context.store.subscriptions.listOfUser(user.id);
    const changed = states.find((state) => state.subscription.id === subscription.id);
    if (!changed) throw new NotFoundError("not_found", `You have no subscription "${subscription.id}".`);
    return viewSubscription(changed, context.plans);
  });
}
