/** Serves the receipt page of a charge, formatted for printing. */
import type { Hono } from "hono";
import { html } from "hono/html";
import { invoiceOf } from "../billing/invoices.ts";
import { formatAmount } from "../core/money.ts";
import { find } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { Engine } from "../engine.ts";
import type { Charge } from "../objects/charge.ts";
import { cardText, dayText } from "./format.ts";
import { errorPage, layout, type Markup } from "./layout.ts";

export function receiptPage(app: Hono, engine: Engine): void {
  app.get("/receipts/:id", (c) => {
    engine.catchUp();
    const context = engine.contextWith(c.req.param("id"));
    const charge = context && find(context, "charge", c.req.param("id"));
    if (!context || !charge?.paid) return c.html(errorPage("Receipt not found", "No paid charge has this ID."), 404);
    return c.html(layout("Receipt", receipt(context, charge), "narrow", context));
  });
}

function receipt(context: Context, charge: Charge): Markup {
  const money = (amount: number) => formatAmount(amount, charge.currency);
  const intent = find(context, "payment_intent", charge.payment_intent);
  const invoice = intent ? invoiceOf(context, intent) : null;
  const method = find(context, "payment_method", charge.payment_method);
  const facts: [string, string][] = [
    ["Paid on", dayText(charge.created)],
    ...(method ? [["Paid with", cardText(method)] as [string, string]] : []),
    ...(invoice?.number ? [["Invoice", invoice.number] as [string, string]] : []),
    ["For", charge.description ?? "Payment"],
  ];
  return html`<div class="card" data-testid="receipt">
    <h1>Receipt</h1>
    <p class="price" data-testid="amount">${money(charge.amount)}</p>
    ${facts.map(([name, value]) => html`<div class="row"><span class="soft">${name}</span><span>${value}</span></div>`)}
    ${(invoice?.lines.data ?? []).map(
      (line) => html`<div class="row"><span>${line.description}</span><span>${money(line.amount)}</span></div>`,
    )}
    <div class="row sum"><span>Amount paid</span><span>${money(charge.amount)}</span></div>
    ${
      charge.amount_refunded > 0
        ? html`<div class="row" data-testid="refunded">
            <span>Refunded</span><span>−${money(charge.amount_refunded)}</span>
          </div>`
        : ""
    }
    ${invoice ? html`<p class="screen"><a href="/i/${invoice.id}">Invoice</a></p>` : ""}
  </div>`;
}
