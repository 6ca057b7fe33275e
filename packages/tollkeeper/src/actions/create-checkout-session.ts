/**
 * Starts, continues or replaces the user's checkout of a plan. Refuses the checkout if the user already has a plan of the same
 * group.
 */
import { decideCheckout, trialDaysFor, type CheckoutIntent, type LastCheckout } from "../domain/checkout.ts";
import { canonicalJson, settledGeneration } from "../domain/operations.ts";
import { ownerKey, userOwner } from "../domain/owner.ts";
import { findPlan, findPlanPrice, lookupKey, type Plan, type PlanPrice } from "../domain/plans.ts";
import type { CheckoutSessionRecord } from "../domain/records.ts";
import { parseStored } from "../domain/stored-json.ts";
import { withSessionId } from "../domain/urls.ts";
import type { User } from "../domain/user.ts";
import { ConflictError, InvalidRequestError, UnavailableError } from "../errors.ts";
import type { CheckoutSessionRequest, CheckoutSessionResponse } from "../wire.ts";
import type { ActionContext } from "./context.ts";
import { ensureCustomer } from "./ensure-customer.ts";
import { runOperation, runSimpleOperation, type OperationKind } from "./operation.ts";
import { returnUrl } from "./return-url.ts";

interface CheckoutParams extends CheckoutIntent {
  userId: string;
  customerId: string;
  priceId: string;
  trialDays: number;
  allowPromotionCodes: boolean;
}

/**
 * Maximum number of attempts to load the user's state and to decide about the checkout. A second attempt to decide about a
 * checkout is needed only if two tabs or two replicas act for one user at once.
 */
const MAX_ROUNDS = 12;

export const checkoutOperation: OperationKind<CheckoutParams, LastCheckout> = {
  kind: "checkout",
  async act({ gateway }, sent, { id, key }) {
    const session = await gateway.createCheckoutSession({ ...sent, operationId: id }, key);
    return { session, intent: intentOf(sent), trialDays: sent.trialDays };
  },
  async lookUp({ gateway }, sent, { id }) {
    const session = await gateway.findCheckoutSessionOfOperation(sent.customerId, id);
    return session && { session, intent: intentOf(sent), trialDays: sent.trialDays };
  },
};

export const expiryOperation: OperationKind<{ sessionId: string }, CheckoutSessionRecord["status"] | null> = {
  kind: "checkout_expiry",
  act: async ({ gateway }, { sessionId }, { key }) =>
    (await gateway.expireCheckoutSession(sessionId, key))?.status ?? null,
};

/**
 * Returns an open checkout session in which the user can buy the plan. Throws `InvalidRequestError` if the plan, the interval
 * or a URL is invalid. Throws `ConflictError` `already_subscribed` if the user already has a plan of the group. Throws
 * `UnavailableError` if Stripe or the store is unavailable.
 */
export async function createCheckoutSession(
  context: ActionContext,
  user: User,
  request: CheckoutSessionRequest,
): Promise<CheckoutSessionResponse> {
  const { plan, price } = findChosenPrice(context, request);
  const intent: CheckoutIntent = {
    plan: plan.id,
    interval: price.interval,
    successUrl: withSessionId(returnUrl(context.urls, "successUrl", request.successUrl)),
    cancelUrl: returnUrl(context.urls, "cancelUrl", request.cancelUrl),
  };
  const open = async (): Promise<CheckoutSessionResponse> => {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const session = await attempt(context, user, { plan, price, intent });
      if (session?.url) return { sessionId: session.id, url: session.url, expiresAt: session.expiresAt };
    }
    throw new UnavailableError("operation_in_progress", "Another checkout is being started. Retry in a moment.");
  };
  return context.serialize(`checkout:${user.id}`, open, canonicalJson(intent));
}

/**
 * Makes one attempt to load the user's state, to decide about the checkout, and to carry out the decision. Returns null if the
 * user's state has changed since it was loaded.
 */
async function attempt(
  context: ActionContext,
  user: User,
  { plan, price, intent }: { plan: Plan; price: PlanPrice; intent: CheckoutIntent },
): Promise<CheckoutSessionRecord | null> {
  const { store, sync } = context;
  const owner = userOwner(user.id);
  const subject = subjectOf(user, plan.group);
  const customerId = await ensureCustomer(context, user);
  // The user's last checkout session is loaded before the subscriptions. If the user completes the session before the
  // subscriptions are loaded, the loaded subscriptions contain the new one.
  const { last, generation } = await loadLast(context, subject);
  for (const customer of await store.customers.listCustomersOf(owner)) await sync.customerWithSubscriptions(customer);
  // Stripe's lists may lack new subscriptions, so the subscription of the last checkout is also retrieved by its id.
  const bought = last?.session.subscriptionId ?? null;
  if (bought !== null) await sync.object({ object: "subscription", id: bought, customerId });
  if ((await store.customers.findPrimaryCustomer(owner)) !== customerId) return null;
  const states = await store.subscriptions.listOfOwner(owner);
  const decision = decideCheckout({ intent, group: plan.group, plans: context.plans, states, last });
  switch (decision.kind) {
    case "already_subscribed":
      throw alreadySubscribed(plan, decision.subscriptionId);
    case "continue":
      return decision.session;
    case "replace":
      await expire(context, decision.session.id);
      return null;
    case "start":
      return start(context, subject, generation, {
        ...intent,
        userId: user.id,
        customerId,
        priceId: await findPriceId(context, plan, price),
        trialDays: trialDaysFor(
          price,
          await store.subscriptions.hasHadTrial(owner),
          await loadOthers(context, user, plan.group),
        ),
        allowPromotionCodes: context.allowPromotionCodes,
      });
  }
}

async function start(
  context: ActionContext,
  subject: string,
  basedOn: number,
  params: CheckoutParams,
): Promise<CheckoutSessionRecord | null> {
  const outcome = await runOperation(context, checkoutOperation, { subject, params, basedOn });
  return outcome.kind === "done" ? outcome.result.session : null;
}

/** Retrieves the user's last checkout session from Stripe, because only Stripe knows if the session is still open. */
async function loadLast(
  { store, gateway }: ActionContext,
  subject: string,
): Promise<{ last: LastCheckout | null; generation: number }> {
  const operation = await store.operations.findCurrent(checkoutOperation.kind, subject);
  const generation = settledGeneration(operation);
  const stored = operation?.state === "succeeded" ? operation.result : null;
  const opened = parseStored(stored) as LastCheckout | null;
  if (opened === null) return { last: null, generation };
  const session = await gateway.retrieveCheckoutSession(opened.session.id);
  return { last: session && { ...opened, session }, generation };
}

/** Returns the user's last checkout in each plan group other than the requested plan's group. */
async function loadOthers(context: ActionContext, user: User, group: string): Promise<LastCheckout[]> {
  const groups = [...new Set(context.plans.map((plan) => plan.group))].filter((other) => other !== group);
  const loaded = await Promise.all(groups.map((other) => loadLast(context, subjectOf(user, other))));
  return loaded.flatMap(({ last }) => last ?? []);
}

function subjectOf(user: User, group: string): string {
  return `${ownerKey(userOwner(user.id))} ${group}`;
}

async function expire(context: ActionContext, sessionId: string): Promise<void> {
  await runSimpleOperation(context, expiryOperation, { subject: sessionId, params: { sessionId } });
}

function findChosenPrice({ plans }: ActionContext, request: CheckoutSessionRequest): { plan: Plan; price: PlanPrice } {
  const plan = findPlan(plans, request.plan);
  if (!plan)
    throw new InvalidRequestError(
      "unknown_plan",
      `Plan "${request.plan}" does not exist. Plans: ${plans.map(({ id }) => id).join(", ")}.`,
    );
  const price = findPlanPrice(plan, request.interval);
  if (!price)
    throw new InvalidRequestError(
      "unknown_price",
      `Plan "${plan.id}" has no price for interval "${request.interval}". ` +
        `Intervals: ${plan.prices.map(({ interval }) => interval).join(", ")}.`,
    );
  return { plan, price };
}

/**
 * Returns the id of the plan's price at Stripe, found by its lookup key. Throws `UnavailableError` if Stripe's price differs
 * from the price in the plan.
 */
async function findPriceId({ gateway }: ActionContext, plan: Plan, price: PlanPrice): Promise<string> {
  const key = lookupKey(plan.id, price.interval);
  const [found] = await gateway.listPricesByLookupKey([key]);
  if (found?.active && found.unitAmount === price.amount && found.currency === price.currency) return found.id;
  const problem = found ? "differs from the plan" : "does not exist";
  throw new UnavailableError(
    "price_not_ready",
    `Stripe's price with lookup key "${key}" ${problem}. Run: npx tollkeeper plans push`,
  );
}

function alreadySubscribed(plan: Plan, subscriptionId: string): ConflictError {
  return new ConflictError("already_subscribed", `You already have ${plan.name}. Change or cancel it in the portal.`, {
    details: { subscriptionId, next: "create-portal-session" },
  });
}

function intentOf({ plan, interval, successUrl, cancelUrl }: CheckoutParams): CheckoutIntent {
  return { plan, interval, successUrl, cancelUrl };
}
