/** Searches all accounts, deliveries and requests for an ID or another text. */
import { html } from "hono/html";
import { findById } from "../../core/rows.ts";
import type { Engine } from "../../engine.ts";
import type { Markup } from "../layout.ts";
import { type AccountView, accountViews, hasText, objectPath } from "./accounts.ts";
import { rowsTable } from "./lists.ts";
import { matches, requestPath, requestsTable } from "./requests.ts";

/** The URL of the page to open, if the text is the ID of exactly one thing; otherwise a page with everything that contains it. */
export type SearchResult = { to: string } | { body: Markup };

export function search(engine: Engine, text: string): SearchResult {
  const views = accountViews(engine);
  const path = exactPath(engine, views, text);
  return path === null ? { body: resultsPage(engine, views, text) } : { to: path };
}

function exactPath(engine: Engine, views: readonly AccountView[], text: string): string | null {
  const view = views.find(({ context }) => findById(context, text) !== undefined);
  if (view) return objectPath(view, text);
  const request = engine.requests.find(({ requestId }) => requestId === text);
  if (request) return requestPath(request);
  for (const one of views) {
    const delivery = one.context.account.deliveries.get(text);
    if (delivery) return `${objectPath(one, delivery.eventId)}#${encodeURIComponent(text)}`;
  }
  return null;
}

function resultsPage(engine: Engine, views: readonly AccountView[], text: string): Markup {
  if (text === "")
    return html`<h1 id="title">Search</h1>
      <p class="card" id="results">
        Enter the ID of any object, event, delivery or request. An email, a name or an invoice number works too.
      </p>`;
  const tables = views.flatMap((view) => resultsIn(view, text));
  const requests = engine.requests.filter((request) => matches({ ...request, response: "" }, text));
  return html`<h1 id="title">Search for “${text}”</h1>
    ${
      tables.length + requests.length === 0
        ? html`<p class="card" id="results" data-testid="no-results">Nothing in the emulator contains this text.</p>`
        : html`${tables} ${requests.length > 0 ? requestsTable(requests) : ""}`
    }`;
}

function resultsIn(view: AccountView, text: string): Markup[] {
  const wanted = text.toLowerCase();
  const contains = (value: string): boolean => value.toLowerCase().includes(wanted);
  const rows = Object.entries(view.context.account.tables).flatMap(([type, table]) =>
    [...(table as Map<string, object>).values()].filter((row) =>
      // Events contain copies of all objects. Only the event's own fields count.
      hasText(type === "event" ? { ...row, data: null } : row, contains),
    ),
  );
  const table = { title: "Objects", rows, testid: "results", id: `results-${view.number}`, empty: "" };
  return rows.length === 0 ? [] : [rowsTable(view, table)];
}
