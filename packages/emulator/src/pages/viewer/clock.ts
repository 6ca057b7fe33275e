/** Renders the clock, its buttons, and what the last move of the clock did. */
import { html } from "hono/html";
import type { ClockMove } from "../../core/clock-move.ts";
import { find } from "../../core/rows.ts";
import { nextTimer, timersOfKind } from "../../core/timers.ts";
import type { Engine } from "../../engine.ts";
import { momentText } from "../format.ts";
import type { Markup } from "../layout.ts";
import { isEnding } from "../portal-visit.ts";
import { type AccountView, pathFinder } from "./accounts.ts";
import { section } from "./section.ts";

const STEPS: Record<string, [label: string, seconds: number]> = {
  hour: ["An hour", 3_600],
  day: ["A day", 86_400],
  month: ["31 days", 31 * 86_400],
};

/** Returns the number of seconds of a step; null if the step is unknown, or if nothing is due. */
export function secondsOfStep(engine: Engine, step: string): number | null {
  if (step === "renewal") return secondsToRenewal(engine);
  const next = engine.nextDueAt();
  if (step === "next") return next === null ? null : Math.max(0, next - engine.state.now);
  return STEPS[step]?.[1] ?? null;
}

export function clockCard(engine: Engine, views: readonly AccountView[]): Markup {
  const next = views
    .flatMap(({ context }) => nextTimer(context.account.timers, "", Infinity) ?? [])
    .toSorted((one, other) => one.at - other.at)[0];
  const path = next ? pathFinder(views)(next.id) : null;
  const { now } = engine.state;
  return html`<section class="card" data-testid="clock" id="clock">
    <h2>Clock</h2>
    <p>
      <span data-testid="now" id="now" data-at="${now}" data-clock="${engine.clock}">${momentText(now)}</span> UTC,
      ${engine.clock === "running" ? "runs with wall time" : "stands still"}
    </p>
    <p class="soft" data-testid="next">
      ${
        next
          ? html`Next: ${next.kind.replaceAll("_", " ")}, ${path ? html`<a href="${path}">${next.id}</a>` : next.id},
            ${momentText(next.at)}`
          : "Nothing is due."
      }
    </p>
    ${stepsForm(engine)}
  </section>`;
}

function stepsForm(engine: Engine): Markup {
  return html`<form method="post" action="/_viewer/advance" class="inline" aria-label="Move the clock">
    ${Object.entries(STEPS).map(([name, [label]]) => stepButton(name, label))}
    ${stepButton("next", "To the next due work", engine.nextDueAt() !== null)}
    ${stepButton("renewal", "To the next renewal", secondsToRenewal(engine) !== null)}
  </form>`;
}

function stepButton(name: string, label: string, enabled = true): Markup {
  return html`<button
    class="quiet"
    name="step"
    value="${name}"
    data-testid="advance-${name}"
    ${enabled ? "" : "disabled"}
  >
    ${label}
  </button>`;
}

/** Returns the seconds until the next renewal of any subscription; null if no subscription renews. */
function secondsToRenewal(engine: Engine): number | null {
  const renewals = engine.contexts().flatMap((context) =>
    timersOfKind(context.account.timers, "", "period_ends").filter(({ id }) => {
      const subscription = find({ ...context, writable: null }, "subscription", id);
      return subscription && !isEnding(subscription);
    }),
  );
  if (renewals.length === 0) return null;
  return Math.max(0, Math.min(...renewals.map(({ at }) => at)) - engine.state.now);
}

/** Renders the timers and events of the last move of the clock, grouped by object. */
export function lastMoveView({ lastMove }: Engine, views: readonly AccountView[]): Markup {
  const changes = lastMove ? changesOf(lastMove) : [];
  const pathOf = pathFinder(views);
  return section({
    title: "Objects that the last move of the clock changed",
    testid: "last-move",
    heads: ["Object", "Timers", "Events"],
    rows: changes
      .map(({ id, timers, events }) => () => {
        const path = pathOf(id);
        return [
          path ? html`<a href="${path}"><code>${id}</code></a>` : html`<code>${id}</code>`,
          timers.join(", "),
          html`${events.map((event) => {
            const eventPath = pathOf(event.id);
            return html`${eventPath ? html`<a href="${eventPath}">${event.type}</a>` : event.type}<br />`;
          })}`,
        ];
      })
      .toReversed(),
    empty: lastMove ? "The move changed no object." : "The clock was not moved yet. Move it with the buttons above.",
    intro: lastMove ? summaryOf(lastMove) : undefined,
  });
}

interface ObjectChange {
  id: string;
  timers: string[];
  events: ClockMove["events"];
}

function changesOf({ timers, events }: ClockMove): ObjectChange[] {
  const changes = new Map<string, ObjectChange>();
  const changeOf = (id: string): ObjectChange => {
    const change = changes.get(id) ?? { id, timers: [], events: [] };
    changes.set(id, change);
    return change;
  };
  for (const { id, kind, at } of timers) changeOf(id).timers.push(`${kind.replaceAll("_", " ")} at ${momentText(at)}`);
  for (const event of events) changeOf(event.object).events.push(event);
  return [...changes.values()];
}

function summaryOf({ testClock, from, to, timerCount, eventCount }: ClockMove): string {
  const clock = testClock === null ? "" : `Test clock ${testClock}: `;
  return `${clock}From ${momentText(from)} to ${momentText(to)}: ${timerCount} timers ran, ${eventCount} events were emitted.`;
}
