/** The bank's page: the person confirms the payment, or does not. */
import type { Hono } from "hono";
import { html } from "hono/html";
import { answerCheckoutChallenge, sessionOf } from "../billing/checkout.ts";
import { answerChallenge } from "../billing/collection.ts";
import { invoiceOf } from "../billing/invoices.ts";
import type { PaymentIntent } from "../billing/payments.ts";
import { answerSetupChallenge, type SetupIntent } from "../billing/setup.ts";
import { formatAmount } from "../core/money.ts";
import { find, type World } from "../core/world.ts";
import type { Engine } from "../engine.ts";
import { fieldOf } from "./card-form.ts";
import { nextPage } from "./checkout.ts";
import { keepCard } from "./invoice.ts";
import { layout, notFound } from "./layout.ts";
import { cardText } from "./words.ts";

export function challengePage(app: Hono, engine: Engine): void {
  app.get("/challenge/:id", (c) => {
    engine.catchUp();
    const world = engine.worldWith(c.req.param("id"));
    const intent = world && waitingIntent(world, c.req.param("id"));
    if (!intent) return c.html(notFound("There is nothing to confirm"), 404);
    const what =
      intent.object === "payment_intent"
        ? html`Is this payment of <strong>${formatAmount(intent.amount, intent.currency)}</strong> yours?`
        : html`Is it you who saves this card for later payments?`;
    const method = find(world, "payment_method", intent.payment_method);
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
          <p class="inline"><a href="${abandoned(world, intent)}" data-testid="abandon">Leave without an answer</a></p>
        </div>`,
        "narrow",
      ),
    );
  });

  app.post("/challenge/:id", async (c) => {
    engine.catchUp();
    const form = await c.req.parseBody();
    const world = engine.worldWith(c.req.param("id"));
    const intent = world && waitingIntent(world, c.req.param("id"));
    if (!intent) return c.redirect(`/challenge/${c.req.param("id")}`, 303);
    const next = answer(world, intent, fieldOf(form, "answer") === "yes");
    engine.changed();
    void engine.deliverDue();
    return c.redirect(next, 303);
  });
}

function waitingIntent(world: World, id: string): PaymentIntent | SetupIntent | null {
  const intent = find(world, "payment_intent", id) ?? find(world, "setup_intent", id);
  return intent?.status === "requires_action" ? intent : null;
}

/** Where the person is who closes the page: it waits on, and can be tried again. */
function abandoned(world: World, intent: PaymentIntent | SetupIntent): string {
  const session = sessionOf(world, intent);
  return session?.status === "open" ? `/c/pay/${session.id}` : afterwards(world, intent);
}

/** Answers the page to show next. */
function answer(world: World, intent: PaymentIntent | SetupIntent, authenticated: boolean): string {
  const session = sessionOf(world, intent);
  if (session?.status === "open")
    return nextPage(session, answerCheckoutChallenge(world, session, intent, authenticated));
  const method = intent.payment_method;
  const waiting = intent.next_action;
  if (intent.object === "setup_intent") answerSetupChallenge(world, intent, authenticated);
  else {
    answerChallenge(world, intent, authenticated);
    const invoice = invoiceOf(world, intent);
    if (invoice?.status === "paid" && method !== null) keepCard(world, invoice, method);
  }
  return afterwards(world, { ...intent, next_action: waiting });
}

/** The application's page, told how it went as Stripe tells it; else one of the emulator's. */
function afterwards(world: World, intent: PaymentIntent | SetupIntent): string {
  const back = intent.next_action?.redirect_to_url.return_url;
  const invoice = intent.object === "payment_intent" ? invoiceOf(world, intent) : null;
  if (!back) return invoice ? `/i/${invoice.id}` : "/";
  if (back.startsWith(`${world.baseUrl}/`)) return back;
  const url = new URL(back);
  url.searchParams.set(intent.object, intent.id);
  url.searchParams.set(`${intent.object}_client_secret`, intent.client_secret);
  url.searchParams.set("redirect_status", intent.status === "succeeded" ? "succeeded" : "failed");
  return url.href;
}
