/** The user's own subscriptions: listing, canceling, resuming, and the portal. */
import { createRoute } from "@hono/zod-openapi";
import {
  CancelRequest,
  EntitlementsAnswer,
  PortalAnswer,
  PortalRequest,
  ResumeRequest,
  SubscriptionAnswer,
  SubscriptionsAnswer,
} from "../../wire.ts";
import type { HttpContext } from "../context.ts";
import { answersForUser, forUser, jsonBody, requireSignIn, type App } from "../json-route.ts";

const list = createRoute({
  ...forUser,
  method: "get",
  path: "/subscriptions",
  responses: answersForUser(SubscriptionsAnswer, "The user's subscriptions, newest first"),
});

const entitlements = createRoute({
  ...forUser,
  method: "get",
  path: "/entitlements",
  responses: answersForUser(EntitlementsAnswer, "What the user may use now, until when, and why"),
});

const cancel = createRoute({
  ...forUser,
  method: "post",
  path: "/cancel-subscription",
  request: jsonBody(CancelRequest),
  responses: answersForUser(SubscriptionAnswer, "Cancels at the period's end", {
    404: "The user has no such subscription",
    409: "not_cancelable: it has ended already",
  }),
});

const resume = createRoute({
  ...forUser,
  method: "post",
  path: "/resume-subscription",
  request: jsonBody(ResumeRequest),
  responses: answersForUser(SubscriptionAnswer, "Takes a cancellation back before the period ends", {
    404: "The user has no such subscription",
    409: "not_resumable: it has ended",
  }),
});

const portal = createRoute({
  ...forUser,
  method: "post",
  path: "/create-portal-session",
  request: jsonBody(PortalRequest),
  responses: answersForUser(PortalAnswer, "Opens Stripe's customer portal", {
    404: "no_customer: the user never started a checkout",
  }),
});

export function subscriptionRoutes(app: App, context: HttpContext): void {
  const { actions } = context;
  requireSignIn(app, context, [list, entitlements, cancel, resume, portal]);

  app.openapi(list, async (c) => {
    const user = c.get("user");
    return c.json({ subscriptions: await actions.listSubscriptions(user) }, 200);
  });

  app.openapi(entitlements, async (c) => {
    const user = c.get("user");
    const found = await actions.getEntitlements(user.id);
    return c.json({ entitlements: found.map(({ subscriptionId: _id, ...entitlement }) => entitlement) }, 200);
  });

  app.openapi(cancel, async (c) => {
    const user = c.get("user");
    return c.json({ subscription: await actions.cancelSubscription(user, c.req.valid("json")) }, 200);
  });

  app.openapi(resume, async (c) => {
    const user = c.get("user");
    return c.json({ subscription: await actions.resumeSubscription(user, c.req.valid("json")) }, 200);
  });

  app.openapi(portal, async (c) => {
    const user = c.get("user");
    return c.json(await actions.createPortalSession(user, c.req.valid("json")), 200);
  });
}
