/** Serves the recovery URLs of expired checkout sessions. Each visit opens a copy of the session. */
import type { Hono } from "hono";
import { isRecoverable, recoverCheckout } from "../billing/checkout-recovery.ts";
import { ApiError } from "../core/errors.ts";
import type { Engine } from "../engine.ts";
import { sessionIn } from "./checkout.ts";
import { errorPage } from "./layout.ts";

const TITLE = "This checkout cannot be recovered";

export function checkoutRecoveryPage(app: Hono, engine: Engine): void {
  app.get("/c/recover/:id", (c) => {
    engine.catchUp();
    const found = sessionIn(engine, c.req.param("id"));
    if (!found || !isRecoverable(found.context, found.session))
      return c.html(
        errorPage(TITLE, "No expired checkout session has this recovery URL, or the URL has expired."),
        404,
      );
    try {
      const session = recoverCheckout(found.context, found.session);
      engine.finish(found.context);
      return c.redirect(`/c/pay/${session.id}`, 303);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return c.html(errorPage(TITLE, error.message), 400);
    }
  });
}
