/** Renders the viewer's tables of one account. */
import { html } from "hono/html";
import { isEnded, nextPeriodEnd } from "../billing/subscription-periods.ts";
import { formatAmount } from "../core/money.ts";
import { find, listAll, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { Subscription } from "../objects/subscription.ts";
import { dayText, priceText } from "./format.ts";
import type { Markup } from "./layout.ts";
import { isEnding } from "./portal-visit.ts";
import { section } from "./viewer-section.ts";
import { timeline } from "./viewer-timeline.ts";

export function accountView(context: Context): Markup {
  return html`<h2 data-testid="account">Account <code>${keyText(context.account.id)}</code></h2>
    ${customers(context)} ${subscriptions(context)} ${invoices(context)} ${timeline(context)} ${ignored(context)}
    ${otherVersions(context)}`;
}

/**
 * Returns the text that the viewer shows for an account's API key. A long key is shortened, because it may be a real
 * key used by mistake.
 */
function keyText(account: string): string {
  const shown = account.length > 16 ? `${account.slice(0, 4)}…${account.slice(-4)}` : account;
  return `sk_test_${shown}`;
}

function customers(context: Context): Markup {
  return section({
    title: "Customers",
    testid: "customers",
    heads: ["Id", "Name", "Email", "Balance"],
    rows: listAll(context, "customer").map((row) => [
      html`<code>${row.id}</code>`,
      row.name ?? "",
      row.email ?? "",
      row.balance === 0 ? "" : formatAmount(row.balance, row.currency ?? "usd"),
    ]),
  });
}

function subscriptions(context: Context): Markup {
  return section({
    title: "Subscriptions",
    testid: "subscriptions",
    heads: ["Id", "Customer", "Product", "Status", "Next"],
    rows: listAll(context, "subscription").map((row) => [
      html`<code>${row.id}</code>`,
      customerText(context, row.customer),
      row.items.data
        .map(
          ({ price, quantity = 1 }) =>
            `${quantity > 1 ? `${quantity} × ` : ""}${retrieve(context, "product", price.product).name}, ${priceText(price, quantity)}`,
        )
        .join("; "),
      html`<span class="badge">${row.status}</span>`,
      nextText(row),
    ]),
  });
}

function nextText(row: Subscription): string {
  if (isEnded(row) || row.status === "paused" || row.status === "incomplete") return "";
  const end = dayText(row.cancel_at ?? nextPeriodEnd(row));
  return isEnding(row) ? `ends ${end}` : `renews ${end}`;
}

function invoices(context: Context): Markup {
  return section({
    title: "Invoices",
    testid: "viewer-invoices",
    heads: ["Number", "Customer", "Created", "Total", "Status"],
    rows: listAll(context, "invoice").map((row) => [
      row.status === "draft" ? html`<code>${row.id}</code>` : html`<a href="/i/${row.id}">${row.number ?? row.id}</a>`,
      customerText(context, row.customer),
      dayText(row.created),
      formatAmount(row.total, row.currency),
      html`<span class="badge">${row.status}</span>`,
    ]),
  });
}

function customerText(context: Context, id: string): string {
  const customer = find(context, "customer", id);
  return customer?.email ?? customer?.name ?? id;
}

function otherVersions({ account }: Context): Markup {
  return section({
    title: "Other API versions",
    testid: "other-versions",
    heads: ["Requested version", "Times"],
    rows: [...account.otherVersions].map(([version, times]) => [html`<code>${version}</code>`, String(times)]),
  });
}

function ignored({ account }: Context): Markup {
  return section({
    title: "Ignored parameters",
    testid: "ignored",
    heads: ["Parameter", "Times"],
    rows: [...account.ignoredParams].map(([name, times]) => [html`<code>${name}</code>`, String(times)]),
  });
}
