/** Renders the viewer's table of events and deliveries, newest first. Each delivery has a button that sends it again. */
import { html } from "hono/html";
import type { Delivery } from "../../core/records.ts";
import { find, listAll } from "../../core/rows.ts";
import type { StripeEvent } from "../../objects/event.ts";
import { momentText } from "../format.ts";
import type { Markup } from "../layout.ts";
import { type AccountView, objectPath } from "./accounts.ts";
import { section } from "./section.ts";

export function timeline(view: AccountView): Markup {
  return eventsTable(view, {
    events: listAll(view.context, "event"),
    title: "Events and deliveries",
    testid: "timeline",
    id: `timeline-${view.number}`,
    empty: "No events yet. Each change of an object emits an event.",
  });
}

export interface EventsTable {
  events: readonly StripeEvent[];
  title: string;
  testid: string;
  id?: string;
  empty: string;
}

export function eventsTable(view: AccountView, { events, ...table }: EventsTable): Markup {
  return section({
    ...table,
    heads: ["When", "Event", "Object", "Cause", "Deliveries"],
    rows: events.map((event) => () => [
      html`<span class="nowrap">${momentText(event.created)}</span>`,
      html`<a href="${objectPath(view, event.id)}"><code>${event.type}</code></a>`,
      objectCell(view, event),
      causeOf(event),
      deliveriesCell(view, event),
    ]),
  });
}

function objectCell(view: AccountView, event: StripeEvent): Markup | string {
  const { id } = event.data.object as { id?: string };
  return id === undefined ? "" : html`<a href="${objectPath(view, id)}"><code>${id}</code></a>`;
}

/** Returns a link to the request that caused an event. */
export function causeOf({ request }: StripeEvent): Markup | string {
  if (request.id === null) return "the clock or a page";
  return html`<a href="/_viewer/search?q=${request.id}"><code>${request.id}</code></a>`;
}

function deliveriesCell(view: AccountView, event: StripeEvent): Markup | string {
  const deliveries = deliveriesOf(view, event);
  if (deliveries.length === 0) return "no endpoint";
  return html`${deliveries.map((one) => deliveryForm(view, event.type, one))}`;
}

export function deliveriesOf({ context: { account } }: AccountView, event: StripeEvent): Delivery[] {
  return (account.deliveriesByEvent.get(event.id) ?? []).flatMap((id) => account.deliveries.get(id) ?? []);
}

const TONES = { pending: "", delivered: "good", failed: "bad" };

export function stateBadge({ state }: Delivery): Markup {
  return html`<span class="badge ${TONES[state]}">${state}</span>`;
}

export function resendButton({ id }: Delivery, type: string): Markup {
  return html`<button class="link" name="delivery" value="${id}" data-testid="resend" aria-label="Resend ${type}">
    Resend
  </button>`;
}

function deliveryForm({ context }: AccountView, type: string, delivery: Delivery): Markup {
  const tries = delivery.attempts.map(({ status, error }) => status ?? error ?? "").join(", ");
  return html`<form method="post" action="/_viewer/resend" id="${delivery.id}" data-testid="delivery">
    ${stateBadge(delivery)} ${tries ? html`<span data-testid="attempts">${tries}</span>` : ""}
    ${resendButton(delivery, type)}
    <br /><span class="soft">${endpointText(context, delivery)}</span>
  </form>`;
}

export function endpointText(context: AccountView["context"], { endpointId }: Delivery): string {
  return find(context, "webhook_endpoint", endpointId)?.url ?? "a deleted endpoint";
}
