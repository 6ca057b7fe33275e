/** What an account has, and what happened in it. */
import { html } from "hono/html";
import { nextPeriodEnd, isOver } from "../billing/subscription-periods.ts";
import type { Subscription } from "../billing/subscriptions.ts";
import { formatAmount } from "../core/money.ts";
import { all, find, need, type World } from "../core/world.ts";
import type { Markup } from "./layout.ts";
import { isEnding } from "./portal-visit.ts";
import { section } from "./viewer-section.ts";
import { timeline } from "./viewer-timeline.ts";
import { dayText, priceText } from "./words.ts";

export function accountView(world: World): Markup {
  return html`<h2 data-testid="account">Account <code>${keyText(world.account.id)}</code></h2>
    ${customers(world)} ${subscriptions(world)} ${invoices(world)} ${timeline(world)} ${ignored(world)}`;
}

/** A long one may be somebody's real key, typed in by mistake. */
function keyText(account: string): string {
  const shown = account.length > 16 ? `${account.slice(0, 4)}…${account.slice(-4)}` : account;
  return `sk_test_${shown}`;
}

function customers(world: World): Markup {
  return section({
    title: "Customers",
    testid: "customers",
    heads: ["Id", "Name", "Email", "Balance"],
    rows: all(world, "customer").map((row) => [
      html`<code>${row.id}</code>`,
      row.name ?? "",
      row.email ?? "",
      row.balance === 0 ? "" : formatAmount(row.balance, row.currency ?? "usd"),
    ]),
  });
}

function subscriptions(world: World): Markup {
  return section({
    title: "Subscriptions",
    testid: "subscriptions",
    heads: ["Id", "Customer", "Of what", "Status", "Next"],
    rows: all(world, "subscription").map((row) => [
      html`<code>${row.id}</code>`,
      customerText(world, row.customer),
      row.items.data
        .map(
          ({ price, quantity = 1 }) =>
            `${quantity > 1 ? `${quantity} × ` : ""}${need(world, "product", price.product).name}, ${priceText(price, quantity)}`,
        )
        .join("; "),
      html`<span class="badge">${row.status}</span>`,
      nextText(row),
    ]),
  });
}

function nextText(row: Subscription): string {
  if (isOver(row) || row.status === "paused" || row.status === "incomplete") return "";
  const end = dayText(row.cancel_at ?? nextPeriodEnd(row));
  return isEnding(row) ? `ends ${end}` : `renews ${end}`;
}

function invoices(world: World): Markup {
  return section({
    title: "Invoices",
    testid: "viewer-invoices",
    heads: ["Number", "Customer", "Created", "Total", "Status"],
    rows: all(world, "invoice").map((row) => [
      row.status === "draft" ? html`<code>${row.id}</code>` : html`<a href="/i/${row.id}">${row.number ?? row.id}</a>`,
      customerText(world, row.customer),
      dayText(row.created),
      formatAmount(row.total, row.currency),
      html`<span class="badge">${row.status}</span>`,
    ]),
  });
}

function customerText(world: World, id: string): string {
  const customer = find(world, "customer", id);
  return customer?.email ?? customer?.name ?? id;
}

function ignored({ account }: World): Markup {
  return section({
    title: "Parameters that were taken and ignored",
    testid: "ignored",
    heads: ["Parameter", "Times"],
    rows: [...account.ignored].map(([name, times]) => [html`<code>${name}</code>`, String(times)]),
  });
}
