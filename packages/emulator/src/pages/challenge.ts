/** Serves the 3-D Secure page. */
import type { Context as HttpContext, Hono } from "hono";
import { html } from "hono/html";
import { completeCheckoutChallenge, sessionOf } from "../billing/checkout.ts";
import { completeInvoiceChallenge } from "../billing/collection.ts";
import { invoiceOf } from "../billing/invoices.ts";
import { completeSetupChallenge } from "../billing/setup.ts";
import { formatAmount } from "../core/money.ts";
import { find } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { Engine } from "../engine.ts";
import type { PaymentIntent } from "../objects/payment-intent.ts";
import type { SetupIntent } from "../objects/setup-intent.ts";
import { fieldOf } from "./card-form.ts";
import { allowFrames } from "../page-headers.ts";
import { addressOf, frameAncestors } from "./checkout-address.ts";
import { nextPage } from "./checkout.ts";
import { cardText } from "./format.ts";
import { saveAsDefault } from "./invoice.ts";
import { errorPage, layout, type Markup } from "./layout.ts";

export function challengePage(app: Hono, engine: Engine): void {
  app.get("/challenge/:id", (c) => {
    engine.catchUp();
    const context = engine.contextWith(c.req.param("id"));
    allowEmbedded(c, context);
    const intent = context && waitingIntent(context, c.req.param("id"));
    if (!intent) return c.html(nothingToConfirm(context, c.req.param("id")), 404);
    const what =
      intent.object === "payment_intent"
        ? html`Is this payment of <strong>${formatAmount(intent.amount, intent.currency)}</strong> yours?`
        : html`Do you want to save this card for later payments?`;
    const method = find(context, "payment_method", intent.payment_method);
    return c.html(
      layout(
        "3-D Secure",
        html`<div class="card" data-testid="challenge">
          <h1>3-D Secure: your bank asks</h1>
          <p data-testid="question">${what}</p>
          ${method ? html`<p class="soft">${cardText(method)}</p>` : ""}
          <form method="post">
            <button name="answer" value="yes" data-testid="authenticate">Complete authentication</button>
            <button class="quiet" name="answer" value="no" data-testid="fail">Fail authentication</button>
          </form>
          <p class="inline">
            <a href="${pageAfterAbandoning(context, intent)}" data-testid="abandon">Leave without an answer</a>
          </p>
        </div>`,
        "narrow",
        context,
      ),
    );
  });

  app.post("/challenge/:id", async (c) => {
    engine.catchUp();
    const form = await c.req.parseBody();
    const context = engine.contextWith(c.req.param("id"));
    const intent = context && waitingIntent(context, c.req.param("id"));
    if (!intent) return c.redirect(`/challenge/${c.req.param("id")}`, 303);
    const next = completeAndGetPage(context, intent, fieldOf(form, "answer") === "yes");
    engine.finish(context);
    return c.redirect(next, 303);
  });
}

/** Lets the app show the page in the frame of its checkout, if the payment belongs to a checkout session for a frame. */
function allowEmbedded(c: HttpContext, context: Context | null): void {
  const session = context && sessionOf(context, { id: c.req.param("id") ?? "" });
  if (session !== null && session.client_secret !== null) allowFrames(c, frameAncestors(session));
}

function nothingToConfirm(context: Context | null, id: string): Markup {
  const title = "This payment needs no confirmation";
  const intent = context && (find(context, "payment_intent", id) ?? find(context, "setup_intent", id));
  if (!context || !intent) return errorPage(title, "No payment with this ID waits for 3-D Secure.");
  const session = sessionOf(context, intent);
  const invoice = intent.object === "payment_intent" ? invoiceOf(context, intent) : null;
  const text = `Its status is ${intent.status}.`;
  if (session) return errorPage(title, text, { href: addressOf(session), text: "Back to the checkout" });
  return invoice
    ? errorPage(title, text, { href: `/i/${invoice.id}`, text: "Open the invoice" })
    : errorPage(title, text);
}

function waitingIntent(context: Context, id: string): PaymentIntent | SetupIntent | null {
  const intent = find(context, "payment_intent", id) ?? find(context, "setup_intent", id);
  return intent?.status === "requires_action" ? intent : null;
}

/**
 * Returns the URL of the page that the browser shows when the customer leaves the 3-D Secure page. After leaving the 3-D Secure
 * page, the customer can still complete the payment later.
 */
function pageAfterAbandoning(context: Context, intent: PaymentIntent | SetupIntent): string {
  const session = sessionOf(context, intent);
  return session?.status === "open" ? addressOf(session) : pageAfterChallenge(context, intent);
}

/**
 * Applies the result that the customer chose on the 3-D Secure page. Returns the URL of the page that the browser shows next.
 */
function completeAndGetPage(context: Context, intent: PaymentIntent | SetupIntent, authenticated: boolean): string {
  const session = sessionOf(context, intent);
  if (session?.status === "open")
    return nextPage(session, completeCheckoutChallenge(context, session, intent, authenticated));
  const method = intent.payment_method;
  const waiting = intent.next_action;
  if (intent.object === "setup_intent") completeSetupChallenge(context, intent, authenticated);
  else {
    completeInvoiceChallenge(context, intent, authenticated);
    const invoice = invoiceOf(context, intent);
    if (invoice?.status === "paid" && method !== null) saveAsDefault(context, invoice, method);
  }
  return pageAfterChallenge(context, { ...intent, next_action: waiting });
}

/**
 * Returns the application's return URL with Stripe's result parameters. If the application gave no return URL, returns
 * the URL of a page of the emulator.
 */
function pageAfterChallenge(context: Context, intent: PaymentIntent | SetupIntent): string {
  const action = intent.next_action;
  const back = action?.type === "redirect_to_url" ? action.redirect_to_url.return_url : null;
  const invoice = intent.object === "payment_intent" ? invoiceOf(context, intent) : null;
  if (!back) return invoice ? `/i/${invoice.id}` : "/";
  if (back.startsWith(`${context.baseUrl}/`)) return back;
  const url = new URL(back);
  url.searchParams.set(intent.object, intent.id);
  url.searchParams.set(`${intent.object}_client_secret`, intent.client_secret);
  url.searchParams.set("redirect_status", intent.status === "succeeded" ? "succeeded" : "failed");
  return url.href;
}
