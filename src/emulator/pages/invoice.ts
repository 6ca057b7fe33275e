/** The hosted invoice: what is owed, a way to pay it, and the receipt. */
import { attach } from "../billing/payment-methods.ts";
import type { Hono } from "hono";
import { html } from "hono/html";
import { payInvoice } from "../billing/collection.ts";
import { intentOf, subscriptionOf, type Invoice } from "../billing/invoices.ts";
import { formatDay } from "../billing/prorations.ts";
import { update } from "../billing/subscription-changes.ts";
import { ApiError } from "../core/errors.ts";
import { formatAmount } from "../core/money.ts";
import { find, type World } from "../core/world.ts";
import type { Engine } from "../engine.ts";

import { cardForm, readCard, type CardInput } from "./card-form.ts";
import { layout, notFound, type Markup } from "./layout.ts";

export function invoicePage(app: Hono, engine: Engine): void {
  app.get("/i/:id", (c) => {
    engine.catchUp();
    const world = engine.worldWith(c.req.param("id"));
    const invoice = world && find(world, "invoice", c.req.param("id"));
    if (!world || !invoice) return c.html(notFound("There is no such invoice"), 404);
    const notice = c.req.query("notice") ?? intentOf(world, invoice)?.last_payment_error?.message ?? null;
    return c.html(layout(`Invoice ${invoice.number ?? ""}`, invoiceCard(world, invoice, notice)));
  });

  app.get("/receipts/:id", (c) => {
    const world = engine.worldWith(c.req.param("id"));
    const charge = world && find(world, "charge", c.req.param("id"));
    if (!charge) return c.html(notFound("There is no such receipt"), 404);
    return c.html(
      layout(
        "Receipt",
        html`<div class="card" data-testid="receipt">
          <p class="soft">Receipt, ${formatDay(charge.created)}</p>
          <p class="price">${formatAmount(charge.amount, charge.currency)}</p>
          <p>${charge.description ?? "Payment"}</p>
          ${charge.amount_refunded > 0 ? html`<p>Refunded: ${formatAmount(charge.amount_refunded, charge.currency)}</p>` : ""}
        </div>`,
      ),
    );
  });

  app.post("/i/:id", async (c) => {
    engine.catchUp();
    const form = await c.req.parseBody();
    const world = engine.worldWith(c.req.param("id"));
    const invoice = world && find(world, "invoice", c.req.param("id"));
    if (!world || invoice?.status !== "open") return c.redirect(`/i/${c.req.param("id")}`, 303);
    const next = payWith(world, invoice, readCard(world, form));
    engine.changed();
    void engine.deliverDue();
    return c.redirect(next, 303);
  });
}

function invoiceCard(world: World, invoice: Invoice, notice: string | null): Markup {
  const money = (amount: number) => formatAmount(amount, invoice.currency);
  const sums: [string, number][] = [
    ["Subtotal", invoice.subtotal],
    ...invoice.total_discount_amounts.map(({ amount }): [string, number] => ["Discount", -amount]),
    ...invoice.total_taxes.map(({ amount }): [string, number] => ["Tax", amount]),
    ["Total", invoice.total],
  ];
  return html`<div class="card" data-testid="invoice">
    <p class="soft">
      Invoice ${invoice.number} · ${formatDay(invoice.created)} · ${invoice.customer_email ?? invoice.customer}
    </p>
    <p class="price">${money(invoice.amount_due)}</p>
    <p data-testid="invoice-status">${invoice.status}</p>
    ${invoice.lines.data.map(
      (line) => html`<div class="row"><span>${line.description}</span><span>${money(line.amount)}</span></div>`,
    )}
    ${sums.map(([name, amount]) => html`<div class="row soft"><span>${name}</span><span>${money(amount)}</span></div>`)}
    <div class="row">
      <strong>${invoice.status === "paid" ? "Paid" : "Due"}</strong><strong>${money(invoice.amount_due)}</strong>
    </div>
    ${invoice.status === "open" ? cardForm(`/i/${invoice.id}`, "Pay invoice", notice) : ""}
  </div>`;
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
  const intent = payInvoice(world, invoice, method.id, {
    onSession: true,
    returnUrl: `${world.baseUrl}/i/${invoice.id}`,
  });
  return intent.next_action?.redirect_to_url.url ?? `/i/${invoice.id}`;
}
