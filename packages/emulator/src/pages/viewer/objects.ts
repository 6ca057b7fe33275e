/** Renders the page of one object: its JSON, its timers, its events, and the objects that contain its ID. */
import { html } from "hono/html";
import { toApiView } from "../../core/api-view.ts";
import { find, findById, listAll } from "../../core/rows.ts";
import { timersOf } from "../../core/timers.ts";
import type { Engine } from "../../engine.ts";
import type { StripeEvent } from "../../objects/event.ts";
import { momentText } from "../format.ts";
import type { Markup } from "../layout.ts";
import { type AccountView, hasText, pathFinder } from "./accounts.ts";
import { deliveriesTable } from "./deliveries.ts";
import { jsonView } from "./json.ts";
import { labelOf, rowsTable, typeText } from "./lists.ts";
import { matches, requestsTable } from "./requests.ts";
import { causeOf, deliveriesOf, eventsTable } from "./timeline.ts";

/** Renders the page of an object; null if the account has no object with this ID. */
export function objectPage(engine: Engine, view: AccountView, id: string): { title: string; body: Markup } | null {
  const { context } = view;
  const row = findById(context, id) as { object: string } | undefined;
  if (!row) return null;
  const event = find(context, "event", id);
  return {
    title: `${row.object} ${id}`,
    body: html`<h1 id="title">${typeText(row.object)} <code>${id}</code></h1>
      <section class="card" id="object" data-testid="object">
        <p class="soft">${labelOf(row)}</p>
        ${timersText(view, id)} ${event ? html`<p class="soft">Caused by ${causeOf(event)}.</p>` : ""}
        ${jsonView(toApiView(row), "json", linkFinder(view))}
      </section>
      ${event ? deliveriesOfEvent(view, event) : ""} ${row.object === "webhook_endpoint" ? deliveriesTo(view, id) : ""}
      ${event ? "" : html`${neighbours(view, row)} ${eventsAbout(view, id)}`}
      ${requestsTable(
        engine.requests.filter((request) => matches(request, id)),
        "No recent request contains this ID.",
      )}`,
  };
}

/** Returns a function that returns the URL for an object's ID or for the URL of an own page; null for other texts. */
function linkFinder(view: AccountView): (text: string) => string | null {
  const own = `${view.context.baseUrl}/`;
  const pathOf = pathFinder([view]);
  return (text) => (text.startsWith(own) ? text : pathOf(text));
}

function timersText({ context }: AccountView, id: string): Markup[] {
  return timersOf(context.account.timers, id).map(
    ({ kind, at }) =>
      html`<p class="soft" data-testid="timer">Next: ${kind.replaceAll("_", " ")} at ${momentText(at)} UTC.</p>`,
  );
}

/** Renders the objects that an object names, and the objects that name it. */
function neighbours(view: AccountView, row: object): Markup {
  const { id: own } = row as { id: string };
  const named = new Set<object>();
  hasText(row, (text) => {
    const other = text === own ? undefined : findById(view.context, text);
    if (other) named.add(other);
    return false;
  });
  const naming = Object.entries(view.context.account.tables).flatMap(([type, table]) =>
    type === "event" ? [] : [...(table as Map<string, object>).values()].filter((other) => names(other, own)),
  );
  return html`${rowsTable(view, {
    title: "Objects that this object names",
    rows: [...named],
    testid: "named",
    empty: "This object contains no ID of another object.",
  })}
  ${rowsTable(view, {
    title: "Objects that name this object",
    rows: naming,
    testid: "naming",
    empty: "No other object contains this ID.",
  })}`;
}

function names(row: object, id: string): boolean {
  return (row as { id?: string }).id !== id && hasText(row, (text) => text === id);
}

function eventsAbout(view: AccountView, id: string): Markup {
  const events = listAll(view.context, "event", ({ data }) => (data.object as { id?: string }).id === id);
  return eventsTable(view, { events, title: "Events", testid: "events", empty: "No event about this object." });
}

function deliveriesOfEvent(view: AccountView, event: StripeEvent): Markup {
  return deliveriesTable(view, {
    title: "Deliveries",
    deliveries: deliveriesOf(view, event),
    empty:
      "No webhook endpoint listens to this event. Start the emulator with --webhook, or create a webhook endpoint.",
  });
}

function deliveriesTo(view: AccountView, endpoint: string): Markup {
  return deliveriesTable(view, {
    title: "Deliveries",
    deliveries: [...view.context.account.deliveries.values()].filter(({ endpointId }) => endpointId === endpoint),
    empty: "No event was sent to this endpoint.",
  });
}
