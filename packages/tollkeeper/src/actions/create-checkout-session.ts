/**
 * Starts, continues or replaces the user's checkout of a plan. Refuses the checkout if the user already has a plan of the same
 * group.
 */
import { plansOf } from "../domain/access.ts";
import {
  decideCheckout,
  findLiveInGroup,
  trialDaysFor,
  isClientReference,
  type CheckoutIntent,
} from "../domain/checkout.ts";
import { isPriceOfPlan } from "../domain/product-changes.ts";
import { canonicalJson } from "../domain/operations.ts";
import { userOwner } from "../domain/owner.ts";
import {
  findPlan,
  findPlanPrice,
  groupsOf,
  isOfOtherApp,
  lookupKey,
  type Plan,
  type PlanPrice,
  type Plans,
} from "../domain/plans.ts";
import type { CheckoutSessionRecord } from "../domain/records.ts";
import { scheduledEnd } from "../domain/subscription.ts";
import { withSessionId } from "../domain/urls.ts";
import type { User } from "../domain/user.ts";
import { ConflictError, InvalidRequestError, UnavailableError } from "../errors.ts";
import type { MirroredSubscription } from "../store/mirror/subscriptions.ts";
import type { CheckoutSessionRequest, CheckoutSessionResponse } from "../wire.ts";
import type { ActionContext } from "./context.ts";
import { ensureCustomer } from "./ensure-customer.ts";
import {
  CHECKOUT_KIND,
  checkoutSubject,
  loadLastCheckout,
  loadLastCheckouts,
  type OpenedCheckout,
} from "./last-checkouts.ts";
import { fingerprintOf, logLeftOut, runOperation, runSimpleOperation, type OperationKind } from "./operation.ts";
import { returnUrl } from "./return-url.ts";
import { planNameOf } from "./subscription-view.ts";

interface CheckoutParams extends CheckoutIntent {
  userId: string;
  customerId: string;
  priceId: string;
  quantity: number;
  trialDays: number;
  allowPromotionCodes: boolean;
  app?: string | undefined;
}

/**
 * Maximum number of attempts to load the user's state and to decide about the checkout. A second attempt to decide about a
 * checkout is needed only if two tabs or two replicas act for one user at once.
 */
const MAX_ROUNDS = 12;

export const checkoutOperation: OperationKind<CheckoutParams, OpenedCheckout> = {
  kind: CHECKOUT_KIND,
  async act({ gateway, runtime }, sent, { id, key }) {
    if (!isClientReference(sent.userId)) logLeftOut(runtime, ["client_reference_id"], id);
    const session = await gateway.createCheckoutSession({ ...sent, operationId: id }, key);
    return toOpened(sent, session);
  },
  async lookUp({ gateway }, sent, { id }) {
    const session = await gateway.findCheckoutSessionOfOperation(sent.customerId, id);
    return session && toOpened(sent, session);
  },
  onSucceeded: ({ runtime }) => runtime.metrics.count("checkouts_total", { outcome: "started" }),
};

function toOpened({ trialDays, plan, interval }: CheckoutParams, session: CheckoutSessionRecord): OpenedCheckout {
  return { session, trialDays, plan, interval };
}

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
  const plan = findChosenPlan(context, request);
  const price = findSoldPrice(context, plan, request);
  if (price instanceof InvalidRequestError) {
    await context.serialize(`checkout:${user.id}`, () => expireUnsoldSession(context, user, plan.group));
    throw price;
  }
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
  const subject = checkoutSubject(user, plan.group);
  const customerId = await ensureCustomer(context, user);
  // The user's last checkout session is loaded before the subscriptions. If the user completes the session before the
  // subscriptions are loaded, the loaded subscriptions contain the new one.
  const { last, generation } = await loadLastCheckout(context, subject);
  for (const customer of await store.customers.listCustomersOf(owner)) await sync.customerWithSubscriptions(customer);
  // Stripe's lists may lack new subscriptions, so the subscription of the last checkout is also retrieved by its id.
  const bought = last?.session.subscriptionId ?? null;
  if (bought !== null) await sync.object({ object: "subscription", id: bought, customerId });
  if ((await store.customers.findPrimaryCustomer(owner)) !== customerId) return null;
  const states = await store.subscriptions.listOfOwner(owner);
  const live = findLiveInGroup(states, context.plans, plan.group);
  if (live) throw alreadySubscribed(plan, live, context.plans);
  const found = await findPrice(context, plan, price);
  const otherGroups = groupsOf(context.plans).filter((group) => group !== plan.group);
  const params: CheckoutParams | null =
    found.priceId === null
      ? null
      : {
          ...intent,
          userId: user.id,
          customerId,
          priceId: found.priceId,
          quantity: 1,
          trialDays: trialDaysFor(price, await store.subscriptions.hasHadTrial(owner), [
            ...(await loadLastCheckouts(context, user, otherGroups)).values(),
          ]),
          allowPromotionCodes: context.allowPromotionCodes,
          ...(plan.app !== undefined && { app: plan.app }),
        };
  const decision = decideCheckout(last, params && fingerprintOf(params));
  if (decision.kind === "continue") return decision.session;
  // An open session would still sell what the app no longer offers.
  if (decision.kind === "replace") await expire(context, decision.session.id);
  if (params === null) throw priceNotReady(plan, price, found.problem);
  return decision.kind === "start" ? start(context, subject, generation, params) : null;
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

async function expire(context: ActionContext, sessionId: string): Promise<void> {
  await runSimpleOperation(context, expiryOperation, { subject: sessionId, params: { sessionId } });
}

function namesOfSold(plans: Plans): string {
  return plans.flatMap(({ id, retired }) => (retired ? [] : id)).join(", ");
}

function findChosenPlan({ plans }: ActionContext, request: CheckoutSessionRequest): Plan {
  const plan = findPlan(plans, request.plan);
  if (plan) return plan;
  throw new InvalidRequestError("unknown_plan", `Plan "${request.plan}" does not exist. Plans: ${namesOfSold(plans)}.`);
}

/** Returns the plan's price for the requested interval. Returns an error if the app no longer sells the plan at this interval. */
function findSoldPrice(
  { plans }: ActionContext,
  plan: Plan,
  { interval }: CheckoutSessionRequest,
): PlanPrice | InvalidRequestError {
  if (plan.retired)
    return new InvalidRequestError(
      "plan_retired",
      `Plan "${plan.id}" is no longer sold. Choose one of these plans: ${namesOfSold(plans)}.`,
    );
  return (
    findPlanPrice(plan, interval) ??
    new InvalidRequestError(
      "unknown_price",
      `Plan "${plan.id}" has no price for interval "${interval}". ` +
        `Intervals: ${plan.prices.map((price) => price.interval).join(", ")}.`,
    )
  );
}

/**
 * Expires the user's open checkout session of a plan group if the app no longer sells what the session sells. The user could
 * otherwise pay in the session.
 */
async function expireUnsoldSession(context: ActionContext, user: User, group: string): Promise<void> {
  const last = (await loadLastCheckouts(context, user, [group])).get(group) ?? null;
  if (last === null || isSold(context.plans, last)) return;
  const decision = decideCheckout(last, null);
  if (decision.kind === "replace") await expire(context, decision.session.id);
}

function isSold(plans: Plans, { plan: id, interval }: Pick<CheckoutIntent, "plan" | "interval">): boolean {
  const plan = plans.find((candidate) => candidate.id === id);
  return plan !== undefined && !plan.retired && findPlanPrice(plan, interval) !== undefined;
}

/** Finds the plan's price at Stripe by its lookup key. The price must be as in the plan, so that users pay what they see. */
async function findPrice(
  { gateway }: ActionContext,
  plan: Plan,
  price: PlanPrice,
): Promise<{ priceId: string | null; problem: string | null }> {
  const [found] = await gateway.listPricesByLookupKey([lookupKey(plan.id, price.interval, plan.app)]);
  if (!found) return { priceId: null, problem: "does not exist" };
  if (!found.active) return { priceId: null, problem: "is archived" };
  if (isOfOtherApp(plan, { app: found.productApp }))
    return { priceId: null, problem: `belongs to the app "${found.productApp}"` };
  return isPriceOfPlan(found, price)
    ? { priceId: found.id, problem: null }
    : { priceId: null, problem: "differs from the plan" };
}

function priceNotReady(plan: Plan, price: PlanPrice, problem: string | null): UnavailableError {
  return new UnavailableError(
    "price_not_ready",
    `Stripe's price with lookup key "${lookupKey(plan.id, price.interval, plan.app)}" ${problem ?? "is missing"}. Run: npx tollkeeper plans push`,
  );
}

/** Returns the error for a user who already has a plan of the group. A change of plan needs the portal or a cancellation. */
function alreadySubscribed(plan: Plan, state: MirroredSubscription, plans: Plans): ConflictError {
  const { id: subscriptionId } = state.subscription;
  const planName = planNameOf(state, plans) ?? "a subscription";
  const ends = scheduledEnd(state.subscription) !== null;
  const same = plansOf(state, plans).some(({ id }) => id === plan.id);
  const next = ends ? "Resume it, or wait until it has ended" : "Manage it in the portal, or cancel it first";
  return new ConflictError(
    "already_subscribed",
    same ? `You already have ${planName}. ${next}.` : `You have ${planName}. ${next}, to buy ${plan.name} afterwards.`,
    {
      details: { subscriptionId, next: "create-portal-session" },
      possible: [
        { route: "create-portal-session" },
        { route: ends ? "resume-subscription" : "cancel-subscription", subscriptionId, planName },
      ],
    },
  );
}
