/** Starts, continues or replaces the user's checkout of a plan; refuses where it is paid for already. */
import {
  decideCheckout,
  findPlanPrice,
  trialDaysFor,
  type CheckoutIntent,
  type LastCheckout,
} from "../domain/checkout.ts";
import { canonicalJson, settledGeneration } from "../domain/operations.ts";
import { findPlan, lookupKey, type Plan, type PlanInterval, type PlanPrice } from "../domain/plans.ts";
import type { CheckoutSessionRecord } from "../domain/records.ts";
import { withSessionId } from "../domain/urls.ts";
import type { User } from "../domain/user.ts";
import { ConflictError, InvalidRequestError, UnavailableError } from "../errors.ts";
import type { ActionContext } from "./context.ts";
import { ensureCustomer } from "./ensure-customer.ts";
import { runOperation, runSimpleOperation, type OperationKind } from "./operation.ts";
import { returnUrl } from "./return-url.ts";

export interface CheckoutRequest {
  plan: string;
  interval: PlanInterval;
  /** On an allowed origin; the app's own by default. */
  successUrl?: string | undefined;
  cancelUrl?: string | undefined;
}

export interface CheckoutAnswer {
  sessionId: string;
  url: string;
  /** Epoch milliseconds. */
  expiresAt: number;
}

interface CheckoutParams extends CheckoutIntent {
  userId: string;
  customerId: string;
  priceId: string;
  trialDays: number;
  allowPromotionCodes: boolean;
}

/** Rounds of load and decide, when tabs or replicas overtake each other. */
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
 * Throws `InvalidRequestError` (unknown plan, interval or URL), `ConflictError` `already_subscribed`, and
 * `UnavailableError`.
 */
export async function createCheckoutSession(
  context: ActionContext,
  user: User,
  request: CheckoutRequest,
): Promise<CheckoutAnswer> {
  const { plan, price } = chosenPrice(context, request);
  const intent: CheckoutIntent = {
    plan: plan.id,
    interval: price.interval,
    successUrl: withSessionId(returnUrl(context.urls, "successUrl", request.successUrl)),
    cancelUrl: returnUrl(context.urls, "cancelUrl", request.cancelUrl),
  };
  const open = async (): Promise<CheckoutAnswer> => {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const session = await attempt(context, user, plan, price, intent);
      if (session?.url) return { sessionId: session.id, url: session.url, expiresAt: session.expiresAt };
    }
    throw new UnavailableError("operation_in_progress", "Another checkout is being started. Try again in a moment.");
  };
  return context.serialize(`checkout:${user.id}`, open, canonicalJson(intent));
}

/** Null when what was decided on has changed meanwhile. */
async function attempt(
  context: ActionContext,
  user: User,
  plan: Plan,
  price: PlanPrice,
  intent: CheckoutIntent,
): Promise<CheckoutSessionRecord | null> {
  const { store, sync } = context;
  const subject = subjectOf(user.id, plan.group);
  const customerId = await ensureCustomer(context, user);
  // The session before the subscriptions: one that completes in between is then seen as a subscription.
  const { last, generation } = await loadLast(context, subject);
  await sync.wholeCustomer(customerId);
  // A list may be a little old; what the last checkout made is asked for by its id.
  const bought = last?.session.subscriptionId ?? null;
  if (bought !== null) await sync.object({ object: "subscription", id: bought, customerId });
  if ((await store.customers.findCustomerOf(user.id)) !== customerId) return null;
  const states = await store.subscriptions.listOfUser(user.id);
  const decision = decideCheckout(intent, plan.group, context.plans, states, last);
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
        trialDays: trialDaysFor(price, states, await loadOthers(context, user.id, plan.group)),
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

/** The last checkout that was opened, asked of Stripe: only there is known whether it is still open. */
async function loadLast(
  { store, gateway }: ActionContext,
  subject: string,
): Promise<{ last: LastCheckout | null; generation: number }> {
  const operation = await store.operations.findCurrent(checkoutOperation.kind, subject);
  const generation = settledGeneration(operation);
  if (operation?.state !== "succeeded" || operation.result === null) return { last: null, generation };
  const opened = JSON.parse(operation.result) as LastCheckout;
  const session = await gateway.retrieveCheckoutSession(opened.session.id);
  return { last: session && { ...opened, session }, generation };
}

/** The user's last checkouts in the other plan groups. */
async function loadOthers(context: ActionContext, userId: string, group: string): Promise<LastCheckout[]> {
  const groups = [...new Set(context.plans.map((plan) => plan.group))].filter((other) => other !== group);
  const loaded = await Promise.all(groups.map((other) => loadLast(context, subjectOf(userId, other))));
  return loaded.flatMap(({ last }) => last ?? []);
}

function subjectOf(userId: string, group: string): string {
  return `${userId} ${group}`;
}

async function expire(context: ActionContext, sessionId: string): Promise<void> {
  await runSimpleOperation(context, expiryOperation, { subject: sessionId, params: { sessionId } });
}

function chosenPrice({ plans }: ActionContext, request: CheckoutRequest): { plan: Plan; price: PlanPrice } {
  const plan = findPlan(plans, request.plan);
  if (!plan)
    throw new InvalidRequestError(
      "unknown_plan",
      `There is no plan "${request.plan}". Plans: ${plans.map(({ id }) => id).join(", ")}.`,
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

/** The price is found by its lookup key, and must be the one that the plans promise. */
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
