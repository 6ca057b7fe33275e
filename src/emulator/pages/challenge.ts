/** The bank's page: the person confirms the payment, or does not. */
import type { Hono } from "hono";
import { html } from "hono/html";
import { answerCheckoutChallenge, sessionOf } from "../billing/checkout.ts";
import { answerChallenge, formatAmount, invoiceOf } from "../billing/invoices.ts";
import { find } from "../core/world.ts";
import type { Engine } from "../engine.ts";
import { fieldOf } from "./card-form.ts";
import { nextPage } from "./checkout.ts";
import { layout } from "./layout.ts";

export function challengePage(app: Hono, engine: Engine): void {
  const { world } = engine;
  app.get("/challenge/:id", (c) => {
    engine.catchUp();
    const intent = find(world, "payment_intent", c.req.param("id"));
    if (intent?.status !== "requires_action")
      return c.html(
        layout("Nothing to confirm", html`<div class="card"><h1>There is nothing to confirm</h1></div>`),
        404,
      );
    return c.html(
      layout(
        "3-D Secure",
        html`<div class="card" data-testid="challenge">
          <h1>Your bank asks: is it you?</h1>
          <p>A payment of <strong>${formatAmount(intent.amount, intent.currency)}</strong> waits for your word.</p>
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
    const intent = find(world, "payment_intent", c.req.param("id"));
    if (intent?.status !== "requires_action") return c.redirect(`/challenge/${c.req.param("id")}`, 303);
    const authenticated = fieldOf(await c.req.parseBody(), "answer") === "yes";
    const session = sessionOf(world, intent);
    const invoice = invoiceOf(world, intent);
    let next = "/";
    if (session?.status === "open")
      next = nextPage(session, answerCheckoutChallenge(world, session, intent, authenticated));
    else if (invoice) {
      answerChallenge(world, invoice, intent, authenticated);
      next = `/i/${invoice.id}`;
    }
    engine.changed();
    void engine.deliverDue();
    return c.redirect(next, 303);
  });
}
