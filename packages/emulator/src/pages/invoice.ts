/** Serves the hosted invoice page. */
import type { Hono } from "hono";
import { html } from "hono/html";
import { payInvoice } from "../billing/collection.ts";
import { intentOf, subscriptionOf } from "../billing/invoices.ts";
import { challengeUrl } from "../billing/next-actions.ts";
import { attach } from "../billing/payment-methods.ts";
import { updateSubscription } from "../billing/subscription-changes.ts";
import { formatAmount } from "../core/money.ts";
import { find, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { Engine } from "../engine.ts";
import type { Invoice } from "../objects/invoice.ts";
import { cardForm, type CardInput, readCard } from "./card-form.ts";
import { createFlashMessages } from "./flash-messages.ts";
import { dayText } from "./format.ts";
import { errorPage, layout, type Markup } from "./layout.ts";

export function invoicePage(app: Hono, engine: Engine): void {
  const notices = createFlashMessages();

  app.get("/i/:id", (c) => {
    engine.catchUp();
    const found = invoiceIn(engine, c.req.param("id"));
    if (!found)
      return c.html(
        errorPage(
          "Invoice not found",
          "No invoice with this ID has a page. Drafts have no page until they are finalized.",
        ),
        404,
      );
    const { context, invoice } = found;
    const notice = notices.take(invoice.id) ?? intentOf(context, invoice)?.last_payment_error?.message ?? null;
    return c.html(layout(`Invoice ${invoice.number ?? ""}`, invoiceCard(context, invoice, notice), "narrow", context));
  });

  app.post("/i/:id", async (c) => {
    engine.catchUp();
    const form = await c.req.parseBody();
    const found = invoiceIn(engine, c.req.param("id"));
    if (found?.invoice.status !== "open") return c.redirect(`/i/${c.req.param("id")}`, 303);
    const { context, invoice } = found;
    const card = readCard(context, form);
    if (card.kind === "invalid") notices.put(invoice.id, card.notice);
    const next = card.kind === "method" ? payWith(context, invoice, card) : `/i/${invoice.id}`;
    engine.finish(context);
    return c.redirect(next, 303);
  });
}

/**
 * Returns the invoice with this ID and its context. Returns null if the invoice does not exist or is a draft, because
 * drafts have no page.
 */
function invoiceIn(engine: Engine, id: string): { context: Context; invoice: Invoice } | null {
  const context = engine.contextWith(id);
  const invoice = context && find(context, "invoice", id);
  return context && invoice && invoice.status !== "draft" ? { context, invoice } : null;
}

const TONES: Record<string, string> = { paid: "good", uncollectible: "bad" };

function invoiceCard(context: Context, invoice: Invoice, notice: string | null): Markup {
  const money = (amount: number) => formatAmount(amount, invoice.currency);
  const open = invoice.status === "open";
  return html`<div class="card" data-testid="invoice">
    <h1>Invoice ${invoice.number}</h1>
    <p class="price" data-testid="amount">${money(open ? invoice.amount_remaining : invoice.total)}</p>
    <p>
      <span class="badge ${TONES[invoice.status] ?? ""}" data-testid="invoice-status">${invoice.status}</span>
      <span class="soft" data-testid="when">${dateText(invoice)}</span>
    </p>
    <p class="soft">
      To ${[invoice.customer_name, invoice.customer_email].filter(Boolean).join(", ") || invoice.customer}
    </p>
    ${invoice.description ? html`<p>${invoice.description}</p>` : ""}
    ${invoice.lines.data.map(
      (line) => html`<div class="row"><span>${line.description}</span><span>${money(line.amount)}</span></div>`,
    )}
    ${totalsOf(invoice).map(
      ([name, amount]) => html`<div class="row soft"><span>${name}</span><span>${money(amount)}</span></div>`,
    )}
    <div class="row sum">
      <span>${open ? "Amount due" : "Amount paid"}</span>
      <span data-testid="sum">${money(open ? invoice.amount_remaining : invoice.amount_paid)}</span>
    </div>
    ${invoice.footer ? html`<p class="soft">${invoice.footer}</p>` : ""} ${receiptLink(context, invoice)}
    ${open ? cardForm({ action: `/i/${invoice.id}`, button: `Pay ${money(invoice.amount_remaining)}`, notice }) : ""}
  </div>`;
}

function dateText({ status, status_transitions: at, created, due_date: due }: Invoice): string {
  if (status === "paid") return `on ${dayText(at.paid_at ?? created)}`;
  if (status === "void") return `since ${dayText(at.voided_at ?? created)}: there is nothing to pay`;
  if (status === "open" && due !== null) return `due on ${dayText(due)}`;
  return `issued on ${dayText(at.finalized_at ?? created)}`;
}

function totalsOf(invoice: Invoice): [name: string, amount: number][] {
  const carried = invoice.status === "draft" ? 0 : Math.max(0, invoice.ending_balance ?? 0);
  const applied = invoice.total - invoice.amount_due - carried;
  return [
    ["Subtotal", invoice.subtotal],
    ...invoice.total_discount_amounts.map(({ amount }): [string, number] => ["Discount", -amount]),
    ...invoice.total_taxes.map(({ amount }): [string, number] => ["Tax", amount]),
    ["Total", invoice.total],
    ...(applied > 0 ? [["From your balance", -applied] as [string, number]] : []),
    ...(carried > 0 ? [["Carried over to your next invoice", -carried] as [string, number]] : []),
    ...(applied < 0 ? [["To your balance", -applied] as [string, number]] : []),
  ];
}

function receiptLink(context: Context, invoice: Invoice): Markup | "" {
  const intent = invoice.status === "paid" ? intentOf(context, invoice) : null;
  const charge = find(context, "charge", intent?.latest_charge ?? null);
  if (!charge?.paid) return "";
  return html`<p class="screen"><a href="/receipts/${charge.id}" data-testid="receipt-link">Receipt</a></p>`;
}

/** Pays an invoice with a card. Returns the URL of the page that the browser shows next. */
function payWith(context: Context, invoice: Invoice, card: CardInput & { kind: "method" }): string {
  const returnUrl = `${context.baseUrl}/i/${invoice.id}`;
  const intent = payInvoice(context, invoice, card.id, { onSession: true, returnUrl });
  if (intent.status === "succeeded") saveAsDefault(context, invoice, card.id);
  return challengeUrl(intent.next_action) ?? `/i/${invoice.id}`;
}

/** Makes the card that paid an invoice the default payment method of the invoice's subscription. */
export function saveAsDefault(context: Context, invoice: Invoice, id: string): void {
  const subscription = subscriptionOf(context, invoice);
  const method = retrieve(context, "payment_method", id);
  if (!subscription || (method.customer !== null && method.customer !== invoice.customer)) return;
  attach(context, method, invoice.customer);
  updateSubscription(context, subscription, { default_payment_method: method.id });
}
