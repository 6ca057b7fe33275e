/** The hosted invoice: what is owed, and a way to pay it. */
import type { Hono } from "hono";
import { html } from "hono/html";
import { payInvoice } from "../billing/collection.ts";
import { intentOf, subscriptionOf, type Invoice } from "../billing/invoices.ts";
import { attach } from "../billing/payment-methods.ts";
import { update } from "../billing/subscription-changes.ts";
import { formatAmount } from "../core/money.ts";
import { find, need, type World } from "../core/world.ts";
import type { Engine } from "../engine.ts";
import { cardForm, readCard, type CardInput } from "./card-form.ts";
import { layout, notFound, type Markup } from "./layout.ts";
import { createNotices } from "./notices.ts";
import { dayText } from "./words.ts";

export function invoicePage(app: Hono, engine: Engine): void {
  const notices = createNotices();

  app.get("/i/:id", (c) => {
    engine.catchUp();
    const found = invoiceIn(engine, c.req.param("id"));
    if (!found) return c.html(notFound("There is no such invoice"), 404);
    const { world, invoice } = found;
    const notice = notices.take(invoice.id) ?? intentOf(world, invoice)?.last_payment_error?.message ?? null;
    return c.html(layout(`Invoice ${invoice.number ?? ""}`, invoiceCard(world, invoice, notice), "narrow"));
  });

  app.post("/i/:id", async (c) => {
    engine.catchUp();
    const form = await c.req.parseBody();
    const found = invoiceIn(engine, c.req.param("id"));
    if (found?.invoice.status !== "open") return c.redirect(`/i/${c.req.param("id")}`, 303);
    const { world, invoice } = found;
    const card = readCard(world, form);
    if (card.kind === "invalid") notices.put(invoice.id, card.notice);
    const next = card.kind === "method" ? payWith(world, invoice, card) : `/i/${invoice.id}`;
    engine.changed();
    void engine.deliverDue();
    return c.redirect(next, 303);
  });
}

/** Drafts have no page. */
function invoiceIn(engine: Engine, id: string): { world: World; invoice: Invoice } | null {
  const world = engine.worldWith(id);
  const invoice = world && find(world, "invoice", id);
  return world && invoice && invoice.status !== "draft" ? { world, invoice } : null;
}

const TONES: Record<string, string> = { paid: "good", uncollectible: "bad" };

function invoiceCard(world: World, invoice: Invoice, notice: string | null): Markup {
  const money = (amount: number) => formatAmount(amount, invoice.currency);
  const open = invoice.status === "open";
  return html`<div class="card" data-testid="invoice">
    <h1>Invoice ${invoice.number}</h1>
    <p class="price" data-testid="amount">${money(open ? invoice.amount_remaining : invoice.total)}</p>
    <p>
      <span class="badge ${TONES[invoice.status] ?? ""}" data-testid="invoice-status">${invoice.status}</span>
      <span class="soft" data-testid="when">${whenText(invoice)}</span>
    </p>
    <p class="soft">
      To ${[invoice.customer_name, invoice.customer_email].filter(Boolean).join(", ") || invoice.customer}
    </p>
    ${invoice.description ? html`<p>${invoice.description}</p>` : ""}
    ${invoice.lines.data.map(
      (line) => html`<div class="row"><span>${line.description}</span><span>${money(line.amount)}</span></div>`,
    )}
    ${sumsOf(invoice).map(
      ([name, amount]) => html`<div class="row soft"><span>${name}</span><span>${money(amount)}</span></div>`,
    )}
    <div class="row sum">
      <span>${open ? "Amount due" : "Amount paid"}</span>
      <span data-testid="sum">${money(open ? invoice.amount_remaining : invoice.amount_paid)}</span>
    </div>
    ${invoice.footer ? html`<p class="soft">${invoice.footer}</p>` : ""} ${receiptLink(world, invoice)}
    ${open ? cardForm({ action: `/i/${invoice.id}`, button: `Pay ${money(invoice.amount_remaining)}`, notice }) : ""}
  </div>`;
}

function whenText({ status, status_transitions: at, created, due_date: due }: Invoice): string {
  if (status === "paid") return `on ${dayText(at.paid_at ?? created)}`;
  if (status === "void") return `since ${dayText(at.voided_at ?? created)}: there is nothing to pay`;
  if (status === "open" && due !== null) return `due on ${dayText(due)}`;
  return `of ${dayText(at.finalized_at ?? created)}`;
}

function sumsOf(invoice: Invoice): [name: string, amount: number][] {
  const applied = invoice.total - invoice.amount_due;
  return [
    ["Subtotal", invoice.subtotal],
    ...invoice.total_discount_amounts.map(({ amount }): [string, number] => ["Discount", -amount]),
    ...invoice.total_taxes.map(({ amount }): [string, number] => ["Tax", amount]),
    ["Total", invoice.total],
    ...(applied > 0 ? [["From your balance", -applied] as [string, number]] : []),
    ...(applied < 0 ? [["To your balance", -applied] as [string, number]] : []),
  ];
}

function receiptLink(world: World, invoice: Invoice): Markup | "" {
  const intent = invoice.status === "paid" ? intentOf(world, invoice) : null;
  const charge = find(world, "charge", intent?.latest_charge ?? null);
  if (!charge?.paid) return "";
  return html`<p class="screen"><a href="/receipts/${charge.id}" data-testid="receipt-link">Receipt</a></p>`;
}

/** Answers the page to show next. */
function payWith(world: World, invoice: Invoice, card: CardInput & { kind: "method" }): string {
  const returnUrl = `${world.baseUrl}/i/${invoice.id}`;
  const intent = payInvoice(world, invoice, card.id, { onSession: true, returnUrl });
  if (intent.status === "succeeded") keepCard(world, invoice, card.id);
  return intent.next_action?.redirect_to_url.url ?? `/i/${invoice.id}`;
}

/** The card that has paid is kept for the next renewals. */
export function keepCard(world: World, invoice: Invoice, id: string): void {
  const subscription = subscriptionOf(world, invoice);
  const method = need(world, "payment_method", id);
  if (!subscription || (method.customer !== null && method.customer !== invoice.customer)) return;
  attach(world, method, invoice.customer);
  update(world, subscription, { default_payment_method: method.id });
}
