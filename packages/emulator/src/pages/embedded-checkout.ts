/**
 * Serves the page of a checkout session with a client secret. The app's page shows it in a frame, or a test opens it directly.
 * @see https://docs.stripe.com/payments/checkout/custom-success-page?payment-ui=embedded-page
 */
import type { Hono } from "hono";
import { html } from "hono/html";
import { refreshAmounts } from "../billing/checkout.ts";
import type { Context } from "../core/state.ts";
import type { Engine } from "../engine.ts";
import type { CheckoutSession } from "../objects/checkout-session.ts";
import { allowFrames } from "../page-headers.ts";
import { addressOf, completionUrl, frameAncestors } from "./checkout-address.ts";
import { bodyOf, runAction, sessionIn } from "./checkout.ts";
import { documentOf, errorPage, type Markup } from "./layout.ts";

const MISSING = "No checkout session has this client secret. Restarts and resets of the emulator remove all objects.";
const SCRIPT_PATH = "/_emulator/embedded-checkout.js";

/** Notifies the app's page of the frame's height and of the completion. Without a frame, the script follows the redirect itself. */
const SCRIPT = `"use strict";
const { status, url = null } = document.querySelector("main").dataset;
const complete = status === "complete";
if (parent === window) {
  if (complete && url !== null) location.assign(url);
} else {
  // The header frame-ancestors names the pages that can be the parent.
  const notify = (message) => parent.postMessage(message, "*");
  new ResizeObserver(() => notify({ height: document.body.offsetHeight })).observe(document.body);
  if (complete) notify({ complete, url });
}
`;

export function embeddedCheckoutPage(app: Hono, engine: Engine): void {
  app.get(SCRIPT_PATH, (c) => c.text(SCRIPT, 200, { "content-type": "text/javascript" }));

  app.get("/c/embed/:secret", (c) => {
    engine.catchUp();
    const found = sessionWithSecret(engine, c.req.param("secret"));
    if (!found) return c.html(errorPage("Checkout not found", MISSING), 404);
    allowFrames(c, frameAncestors(found.session));
    refreshAmounts(found.context, found.session);
    return c.html(embeddedDocument(found.context, found.session));
  });

  app.post("/c/embed/:secret/:action{pay|code|start|details|quantity}", async (c) => {
    engine.catchUp();
    const form = await c.req.parseBody();
    const found = sessionWithSecret(engine, c.req.param("secret"));
    if (!found) return c.html(errorPage("Checkout not found", MISSING), 404);
    const { context, session } = found;
    if (session.status !== "open") return c.redirect(addressOf(session), 303);
    const next = runAction(context, session, c.req.param("action"), form);
    engine.finish(context);
    return c.redirect(next, 303);
  });
}

function sessionWithSecret(engine: Engine, secret: string): { context: Context; session: CheckoutSession } | null {
  const [id = ""] = secret.split("_secret_");
  const found = sessionIn(engine, id);
  return found?.session.client_secret === secret ? found : null;
}

function embeddedDocument(context: Context, session: CheckoutSession): Markup {
  const { title, body } = bodyOf(context, session);
  const url = completionUrl(session);
  return documentOf(
    title,
    html`<header class="banner">Local emulator: no real money, test cards only</header>
      ${
        url === null
          ? html`<main class="wide" data-status="${session.status}">${body}</main>`
          : html`<main class="wide" data-status="${session.status}" data-url="${url}">${body}</main>`
      }`,
    html`<script src="${SCRIPT_PATH}" defer></script>`,
  );
}
