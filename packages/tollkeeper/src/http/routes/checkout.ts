/** Starting a checkout, and coming back from it. */
import { createRoute } from "@hono/zod-openapi";
import { z } from "zod";
import { CheckoutSessionAnswer, CheckoutSessionRequest, VerifiedCheckout } from "../../wire.ts";
import type { HttpContext } from "../context.ts";
import { answersForUser, forUser, jsonBody, requireSignIn, type App } from "../json-route.ts";

const createSession = createRoute({
  ...forUser,
  method: "post",
  path: "/create-checkout-session",
  request: jsonBody(CheckoutSessionRequest),
  responses: answersForUser(
    CheckoutSessionAnswer,
    "Opens Stripe's checkout for a plan; the same request finds the same open session",
    { 409: "already_subscribed: use the portal instead" },
  ),
});

const SessionQuery = z.object({
  session_id: z.string().regex(/^cs_\w{1,250}$/, "must be a checkout session's id (cs_…)"),
});

const verifySession = createRoute({
  ...forUser,
  method: "get",
  path: "/checkout-session",
  request: { query: SessionQuery },
  responses: answersForUser(
    VerifiedCheckout,
    "Verifies a checkout session for its own user and syncs its subscription",
    { 404: "There is no such session, or it is somebody else's" },
  ),
});

export function checkoutRoutes(app: App, context: HttpContext): void {
  const { actions } = context;
  requireSignIn(app, context, [createSession, verifySession]);

  app.openapi(createSession, async (c) => {
    const user = c.get("user");
    return c.json(await actions.createCheckoutSession(user, c.req.valid("json")), 200);
  });

  app.openapi(verifySession, async (c) => {
    const user = c.get("user");
    return c.json(await actions.verifyCheckoutSession(user, c.req.valid("query").session_id), 200);
  });
}
