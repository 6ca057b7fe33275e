/** Renders deliveries with their attempts, and the deliveries that wait. */
import { html } from "hono/html";
import type { Delivery } from "../../core/records.ts";
import { find } from "../../core/rows.ts";
import { pendingDeliveries } from "../../core/timers.ts";
import type { Engine } from "../../engine.ts";
import { momentText } from "../format.ts";
import type { Markup } from "../layout.ts";
import { type AccountView, objectLink } from "./accounts.ts";
import { section } from "./section.ts";
import { endpointText, resendButton, stateBadge } from "./timeline.ts";

export interface DeliveriesTable {
  title: string;
  deliveries: readonly Delivery[];
  empty: string;
}

export function deliveriesTable(view: AccountView, { title, deliveries, empty }: DeliveriesTable): Markup {
  return section({
    title,
    testid: "deliveries",
    heads: ["Event", "Endpoint", "State", "Attempts", "Replay"],
    rows: deliveries.map((delivery) => () => {
      const type = eventType(view, delivery);
      return [
        objectLink(view, delivery.eventId, type),
        endpointText(view.context, delivery),
        stateBadge(delivery),
        attemptsList(delivery),
        html`<form method="post" action="/_viewer/resend" id="${delivery.id}">${resendButton(delivery, type)}</form>`,
      ];
    }),
    empty,
  });
}

function attemptsList({ attempts }: Delivery): Markup | string {
  if (attempts.length === 0) return "none";
  return html`<ol data-testid="attempts">
    ${attempts.map(({ at, status, error }) => html`<li>${momentText(at)}: ${status ?? error ?? ""}</li>`)}
  </ol>`;
}

function eventType({ context }: AccountView, { eventId }: Delivery): string {
  return find(context, "event", eventId)?.type ?? eventId;
}

/** Renders the deliveries that wait, and the buttons that hold, deliver and release them. */
export function waitingDeliveries(engine: Engine, views: readonly AccountView[]): Markup {
  const { held } = engine.deliveries;
  const waiting = views.flatMap((view) =>
    pendingDeliveries(view.context.account.timers).flatMap(({ id, at }) => {
      const delivery = view.context.account.deliveries.get(id);
      return delivery ? [{ view, delivery, at }] : [];
    }),
  );
  return section({
    title: held ? "Held deliveries" : "Waiting deliveries",
    testid: "waiting",
    heads: ["Due", "Event", "Endpoint", "Attempts", "Deliver"],
    rows: waiting.toReversed().map(({ view, delivery, at }) => () => [
      html`<span class="nowrap">${momentText(at)}</span>`,
      objectLink(view, delivery.eventId, eventType(view, delivery)),
      endpointText(view.context, delivery),
      String(delivery.attempts.length),
      html`<form method="post" action="/_viewer/resend">
        <button
          class="link"
          name="delivery"
          value="${delivery.id}"
          data-testid="deliver"
          aria-label="Deliver ${eventType(view, delivery)}"
        >
          Deliver
        </button>
      </form>`,
    ]),
    empty: held ? "New deliveries wait here." : "Nothing waits. A failed delivery waits here for its next attempt.",
    more: holdForm(held, waiting.length),
  });
}

function holdForm(held: boolean, waiting: number): Markup {
  return html`<form method="post" action="/_viewer/deliveries" class="inline">
    ${held ? holdButton("release", "Stop holding") : holdButton("hold", "Hold deliveries")}
    ${held && waiting > 0 ? holdButton("in-order", "Deliver all in order") : ""}
    ${held && waiting > 1 ? holdButton("reversed", "Deliver all in reverse order") : ""}
  </form>`;
}

function holdButton(what: string, text: string): Markup {
  return html`<button class="quiet" name="what" value="${what}" data-testid="deliveries-${what}">${text}</button>`;
}
