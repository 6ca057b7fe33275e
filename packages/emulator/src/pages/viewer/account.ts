/** Renders the viewer's tables of one account. */
import { html } from "hono/html";
import { isEnded, nextPeriodEnd } from "../../billing/subscription-periods.ts";
import { formatAmount } from "../../core/money.ts";
import { find, listAll, retrieve } from "../../core/rows.ts";
import { API_VERSION } from "../../core/state.ts";
import type { Subscription } from "../../objects/subscription.ts";
import { dayText, priceText } from "../format.ts";
import type { Markup } from "../layout.ts";
import { isEnding } from "../portal-visit.ts";
import { type AccountView, keyText, listPath, objectLink, objectPath } from "./accounts.ts";
import { section } from "./section.ts";
import { timeline } from "./timeline.ts";

export function accountView(view: AccountView): Markup {
  return html`<div id="account-${view.number}">
      <h2 data-testid="account">Account <code>${keyText(view)}</code></h2>
      ${counts(view)}
    </div>
    ${customers(view)} ${subscriptions(view)} ${invoices(view)} ${timeline(view)} ${ignored(view)}
    ${otherVersions(view)}`;
}

/** Renders the number of objects of each type, as links to the lists. */
function counts(view: AccountView): Markup {
  const tables = Object.entries(view.context.account.tables).filter(([, rows]) => rows.size > 0);
  return html`<ul class="chips" data-testid="counts">
    ${tables.map(
      ([type, rows]) => html`<li><a href="${listPath(view, type)}">${type.replaceAll("_", " ")}</a> ${rows.size}</li>`,
    )}
  </ul>`;
}

function customers(view: AccountView): Markup {
  return section({
    title: "Customers",
    testid: "customers",
    id: `customers-${view.number}`,
    heads: ["Id", "Name", "Email", "Balance"],
    rows: listAll(view.context, "customer").map((row) => () => [
      objectLink(view, row.id),
      row.name ?? "",
      row.email ?? "",
      row.balance === 0 ? "" : formatAmount(row.balance, row.currency ?? "usd"),
    ]),
    empty: html`No customers yet. Create one with <code>POST /v1/customers</code>, or open a checkout page.`,
  });
}

function subscriptions(view: AccountView): Markup {
  return section({
    title: "Subscriptions",
    testid: "subscriptions",
    id: `subscriptions-${view.number}`,
    heads: ["Id", "Customer", "Product", "Status", "Next"],
    rows: listAll(view.context, "subscription").map((row) => () => [
      objectLink(view, row.id),
      customerLink(view, row.customer),
      itemsText(view, row),
      html`<span class="badge">${row.status}</span>`,
      nextText(row),
    ]),
    empty: html`No subscriptions yet. Create a price and a customer with a card, then call
      <code>POST /v1/subscriptions</code>.`,
  });
}

function itemsText({ context }: AccountView, { items, currency }: Subscription): string {
  return items.data
    .map(({ price, quantity = 1 }) => {
      const { name } = retrieve(context, "product", price.product);
      return `${quantity > 1 ? `${quantity} × ` : ""}${name}, ${priceText(price, quantity, currency)}`;
    })
    .join("; ");
}

function nextText(row: Subscription): string {
  if (isEnded(row) || row.status === "paused" || row.status === "incomplete") return "";
  const end = dayText(row.cancel_at ?? nextPeriodEnd(row));
  return isEnding(row) ? `ends ${end}` : `renews ${end}`;
}

function invoices(view: AccountView): Markup {
  return section({
    title: "Invoices",
    testid: "viewer-invoices",
    id: `invoices-${view.number}`,
    heads: ["Number", "Customer", "Created", "Total", "Status", "Page"],
    rows: listAll(view.context, "invoice").map((row) => () => [
      objectLink(view, row.id, row.number ?? row.id),
      customerLink(view, row.customer),
      dayText(row.created),
      formatAmount(row.total, row.currency),
      html`<span class="badge">${row.status}</span>`,
      row.status === "draft" ? "" : html`<a href="/i/${row.id}">Open</a>`,
    ]),
    empty: "No invoices yet. A subscription creates its first invoice at once.",
  });
}

function customerLink(view: AccountView, id: string): Markup {
  const customer = find(view.context, "customer", id);
  return html`<a href="${objectPath(view, id)}">${customer?.email ?? customer?.name ?? id}</a>`;
}

function ignored({ context: { account }, number }: AccountView): Markup {
  return section({
    title: "Ignored parameters",
    testid: "ignored",
    id: `ignored-${number}`,
    heads: ["Parameter", "Times"],
    rows: [...account.ignoredParams].map(([name, times]) => () => [html`<code>${name}</code>`, String(times)]),
    empty: "None. The emulator used every parameter that it received.",
  });
}

function otherVersions({ context: { account }, number }: AccountView): Markup {
  return section({
    title: "Other API versions",
    testid: "other-versions",
    id: `other-versions-${number}`,
    heads: ["Requested version", "Times"],
    rows: [...account.otherVersions].map(([version, times]) => () => [html`<code>${version}</code>`, String(times)]),
    empty: html`None. All requests named <code>${API_VERSION}</code> or no version.`,
  });
}
