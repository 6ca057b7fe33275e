/**
 * Renders the viewer's table of events and deliveries, newest first. Each delivery has a button that sends it again.
 */
import { html } from "hono/html";
import type { Delivery } from "../core/records.ts";
import { find, listAll } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { StripeEvent } from "../objects/event.ts";
import { momentText } from "./format.ts";
import type { Markup } from "./layout.ts";
import { section } from "./viewer-section.ts";

export function timeline(context: Context): Markup {
  return section({
    title: "Events and deliveries",
    testid: "timeline",
    heads: ["When", "Event", "Cause", "Deliveries"],
    rows: listAll(context, "event").map((event) => {
      const ids = context.account.deliveriesByEvent.get(event.id) ?? [];
      const deliveries = ids.flatMap((id) => context.account.deliveries.get(id) ?? []);
      return [
        html`<span class="nowrap">${momentText(event.created)}</span>`,
        eventCell(event),
        event.request.id === null ? "the clock or a page" : html`<code>${event.request.id}</code>`,
        deliveries.length === 0 ? "no endpoint" : html`${deliveries.map((one) => deliveryCell(context, event, one))}`,
      ];
    }),
  });
}

function eventCell(event: StripeEvent): Markup {
  return html`<details>
    <summary><code>${event.type}</code></summary>
    <pre>${JSON.stringify({ id: event.id, ...event.data }, withoutSecrets, 2)}</pre>
  </details>`;
}

function withoutSecrets(name: string, value: unknown): unknown {
  return name.endsWith("secret") && typeof value === "string" ? "(not shown)" : value;
}

const TONES = { pending: "", delivered: "good", failed: "bad" };

function deliveryCell(context: Context, event: StripeEvent, { id, endpointId, state, attempts }: Delivery): Markup {
  const tries = attempts.map(({ status, error }) => status ?? error ?? "").join(", ");
  return html`<form method="post" action="/_viewer/resend" id="${id}" data-testid="delivery">
    <span class="badge ${TONES[state]}">${state}</span>
    ${tries ? html`<span data-testid="attempts">${tries}</span>` : ""}
    <button class="link" name="delivery" value="${id}" data-testid="resend" aria-label="Resend ${event.type}">
      Resend
    </button>
    <br /><span class="soft">${find(context, "webhook_endpoint", endpointId)?.url ?? "a deleted endpoint"}</span>
  </form>`;
}
