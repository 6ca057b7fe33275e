/** Events and their deliveries, newest first, each delivery with a button that sends it again. */
import { html } from "hono/html";
import type { Delivery, StripeEvent } from "../core/events.ts";
import { all, find, type World } from "../core/world.ts";
import type { Markup } from "./layout.ts";
import { section } from "./viewer-section.ts";
import { momentText } from "./words.ts";

export function timeline(world: World): Markup {
  return section({
    title: "Events and deliveries",
    testid: "timeline",
    heads: ["When", "Event", "Because of", "Deliveries"],
    rows: all(world, "event").map((event) => {
      const ids = world.account.deliveriesOf.get(event.id) ?? [];
      const deliveries = ids.flatMap((id) => world.account.deliveries.get(id) ?? []);
      return [
        html`<span class="nowrap">${momentText(event.created)}</span>`,
        eventCell(event),
        event.request.id === null ? "the clock or a page" : html`<code>${event.request.id}</code>`,
        deliveries.length === 0 ? "nobody listens" : html`${deliveries.map((one) => deliveryCell(world, event, one))}`,
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

function deliveryCell(world: World, event: StripeEvent, { id, endpointId, state, attempts }: Delivery): Markup {
  const tries = attempts.map(({ status, error }) => status ?? error ?? "").join(", ");
  return html`<form method="post" action="/_viewer/resend" id="${id}" data-testid="delivery">
    <span class="badge ${TONES[state]}">${state}</span>
    ${tries ? html`<span data-testid="attempts">${tries}</span>` : ""}
    <button class="link" name="delivery" value="${id}" data-testid="resend" aria-label="Resend ${event.type}">
      Resend
    </button>
    <br /><span class="soft">${find(world, "webhook_endpoint", endpointId)?.url ?? "an endpoint that is gone"}</span>
  </form>`;
}
