/** The hosted invoice: what is owed, and a way to pay it. */
import type { Hono } from "hono";
import { html } from "hono/html";
import { formatAmount, intentOf, payInvoice, subscriptionOf, type Invoice } from "../billing/invoices.ts";
import { update } from "../billing/subscription-changes.ts";
import { find, type World } from "../core/world.ts";
import type { Engine } from "../engine.ts";
import { attach } from "../resources/payment-methods.ts";
import { ApiError } from "../core/errors.ts";
import { cardForm, readCard, type CardInput } from "./card-form.ts";
import { layout } from "./layout.ts";

export function invoicePage(app: Hono, engine: Engine): void {
  const { world } = engine;
  app.get("/i/:id", (c) => {
    engine.catchUp();
    const invoice = find(world, "invoice", c.req.param("id"));
    if (!invoice)
      return c.html(layout("Not found", html`<div class="card"><h1>There is no such invoice</h1></div>`), 404);
    const notice = c.req.query("notice") ?? intentOf(world, invoice)?.last_payment_error?.message ?? null;
    return c.html(
      layout(
        `Invoice ${invoice.number ?? ""}`,
        html`<div class="card" data-testid="invoice">
          <p class="soft">Invoice ${invoice.number}</p>
          <p class="price">${formatAmount(invoice.amount_due, invoice.currency)}</p>
          <p data-testid="invoice-status">${invoice.status}</p>
          ${invoice.lines.data.map((line) => html`<div class="row"><span>${line.description}</span><span>${formatAmount(line.amount, line.currency)}</span></div>`)}
          ${invoice.status === "open" ? cardForm(`/i/${invoice.id}`, "Pay invoice", notice) : ""}
        </div>`,
      ),
    );
  });

  app.post("/i/:id", async (c) => {
    engine.catchUp();
    const invoice = find(world, "invoice", c.req.param("id"));
    if (invoice?.status !== "open") return c.redirect(`/i/${c.req.param("id")}`, 303);
    const next = payWith(world, invoice, readCard(world, await c.req.parseBody()));
    engine.changed();
    void engine.deliverDue();
    return c.redirect(next, 303);
  });
}

/** Pays and keeps the card for the next renewals; answers the page to show next. */
function payWith(world: World, invoice: Invoice, card: CardInput): string {
  const again = (notice: string) => `/i/${invoice.id}?notice=${encodeURIComponent(notice)}`;
  if (card.kind === "invalid") return again(card.notice);
  const method = find(world, "payment_method", card.id);
  if (!method) return again("The card could not be read.");
  try {
    attach(world, method, invoice.customer);
  } catch (error) {
    if (error instanceof ApiError) return again(error.message);
    throw error;
  }
  const subscription = subscriptionOf(world, invoice);
  if (subscription) update(world, subscription, { default_payment_method: method.id });
  const intent = payInvoice(world, invoice, method.id, true);
  return intent.next_action?.redirect_to_url.url ?? `/i/${invoice.id}`;
}
