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
import { layout } from "./layout.ts";

export function challengePage(app: Hono, engine: Engine): void {
  app.get("/challenge/:id", (c) => {
    engine.catchUp();
    const world = engine.worldWith(c.req.param("id"));
    const intent = world && waitingIntent(world, c.req.param("id"));
    if (!intent)
      return c.html(
        layout("Nothing to confirm", html`<div class="card"><h1>There is nothing to confirm</h1></div>`),
        404,
      );
    const what =
      intent.object === "payment_intent"
        ? html`A payment of <strong>${formatAmount(intent.amount, intent.currency)}</strong> waits for your word.`
        : html`Somebody wants to save your card for later payments.`;
    return c.html(
      layout(
        "3-D Secure",
        html`<div class="card" data-testid="challenge">
          <h1>Your bank asks: is it you?</h1>
          <p>${what}</p>
          <form method="post">
            <button name="answer" value="yes" data-testid="authenticate">Complete authentication</button>
            <button class="quiet" name="answer" value="no" data-testid="fail">Fail authentication</button>
          </form>
        </div>`,
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

/** Answers the page to show next. */
function answer(world: World, intent: PaymentIntent | SetupIntent, authenticated: boolean): string {
  const back = intent.next_action?.redirect_to_url.return_url;
  const session = sessionOf(world, intent);
  if (session?.status === "open")
    return nextPage(session, answerCheckoutChallenge(world, session, intent, authenticated));
  if (intent.object === "setup_intent") {
    answerSetupChallenge(world, intent, authenticated);
    return back ?? "/";
  }
  answerChallenge(world, intent, authenticated);
  const invoice = invoiceOf(world, intent);
  return back ?? (invoice ? `/i/${invoice.id}` : "/");
}
