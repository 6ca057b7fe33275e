/** Binds the routes to the actions, the webhook endpoint and the metrics. */
import { cancelSubscription, resumeSubscription } from "../actions/change-subscription.ts";
import type { ActionContext } from "../actions/context.ts";
import { createCheckoutSession } from "../actions/create-checkout-session.ts";
import { createPortalSession } from "../actions/create-portal-session.ts";
import { listEntitlements } from "../actions/get-entitlements.ts";
import { getOffer } from "../actions/get-offer.ts";
import { listSubscriptions } from "../actions/list-subscriptions.ts";
import { viewPlan } from "../actions/plan-view.ts";
import { createUserLimiter } from "../actions/user-limiter.ts";
import { verifyCheckoutSession } from "../actions/verify-checkout-session.ts";
import type { Authenticate } from "../auth/authenticate.ts";
import { createOidcAuthenticate } from "../auth/oidc.ts";
import type { Config } from "../config/resolve-config.ts";
import type { TollkeeperOptions } from "../options.ts";
import { userOwner } from "../domain/owner.ts";
import type { User } from "../domain/user.ts";
import type { HttpContext } from "../http/context.ts";
import { createInboxWriter } from "../ingest/inbox-writer.ts";
import { createReceiveEvent } from "../ingest/receive-event.ts";
import type { Runtime } from "../runtime.ts";
import { STRIPE_API_VERSION } from "../stripe/gateway/gateway.ts";
import type { ConfigResponse } from "../wire.ts";
import { readGauges } from "./gauges.ts";
import { createSubscriptionGauge } from "./subscription-gauge.ts";
import type { Surroundings } from "./parts.ts";
import type { Work } from "./work.ts";

export interface HttpContextOptions {
  options: TollkeeperOptions;
  start: () => Promise<void>;
  /** Prepares the database, and starts the rest of the service in the background. */
  startStore: () => Promise<void>;
  /** A callback function that is called after a new event was stored in the inbox. */
  onStored: () => void;
  work: Work;
}

export function createHttpContext(
  { config, runtime, store, budget, account, catalogue }: Surroundings,
  context: ActionContext,
  { options, start, startStore, onStored, work }: HttpContextOptions,
): HttpContext {
  const { metricsToken } = config;
  const subscriptions = createSubscriptionGauge(store, catalogue.plans, runtime);
  const limitUser = createUserLimiter(runtime.now);
  const limited =
    <Input extends unknown[], Result>(
      action: (context: ActionContext, user: User, ...input: Input) => Promise<Result>,
    ) =>
    async (user: User, ...input: Input): Promise<Result> => {
      limitUser(user.id);
      return action(context, user, ...input);
    };
  return {
    basePath: config.basePath,
    allowedOrigins: config.urls.allowedOrigins,
    corsCredentials: config.corsCredentials,
    runtime,
    authenticate: createAuthenticate(config, runtime, options),
    config: publicConfig(config),
    started: start,
    storeStarted: startStore,
    receiveEvent: createReceiveEvent({
      inbox: createInboxWriter(store, runtime),
      mode: config.mode,
      secrets: config.stripe.webhookSecrets,
      toleranceMs: config.webhookToleranceMs,
      keepBodies: config.keepEventBodies,
      runtime,
      onStored,
    }),
    actions: {
      createCheckoutSession: limited(createCheckoutSession),
      verifyCheckoutSession: limited(verifyCheckoutSession),
      listSubscriptions: (user) => listSubscriptions(context, userOwner(user.id)),
      cancelSubscription: limited(cancelSubscription),
      resumeSubscription: limited(resumeSubscription),
      createPortalSession: limited(createPortalSession),
      getOffer: limited(getOffer),
      listEntitlements: (user) => listEntitlements(context, userOwner(user.id)),
    },
    checkReady: async () => {
      account.throwIfRefused();
      await store.ping(runtime.now());
    },
    work: { token: config.workToken, ...work },
    metrics:
      metricsToken === null
        ? null
        : {
            token: metricsToken,
            render: async () => runtime.metrics.render(await readGauges({ store, budget, runtime, subscriptions })),
          },
  };
}

function createAuthenticate({ auth }: Config, { now }: Runtime, { fetch }: TollkeeperOptions): Authenticate {
  return "authenticate" in auth ? auth.authenticate : createOidcAuthenticate({ ...auth, now, fetch });
}

/** Returns the configuration that browsers may see. The configuration for browsers contains no secret. */
function publicConfig(config: Config): ConfigResponse {
  const sold = config.plans.filter(({ retired }) => !retired);
  return {
    mode: config.mode,
    publishableKey: config.stripe.publishableKey,
    apiVersion: STRIPE_API_VERSION,
    features: {
      checkout: true,
      portal: true,
      trials: sold.some((plan) => plan.prices.some((price) => price.trialDays > 0)),
      promotionCodes: config.allowPromotionCodes,
    },
    plans: sold.map(viewPlan),
  };
}
