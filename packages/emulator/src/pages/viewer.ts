/**
 * Serves the viewer, a page at `/` that shows the emulator's data. The viewer shows the clock, the accounts and recent
 * requests.
 */
import type { Hono } from "hono";
import { html } from "hono/html";
import { find } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { nextTimer, timersOfKind } from "../core/timers.ts";
import type { Engine } from "../engine.ts";
import { fieldOf } from "./card-form.ts";
import { momentText } from "./format.ts";
import type { Markup } from "./layout.ts";
import { isEnding } from "./portal-visit.ts";
import { accountView } from "./viewer-account.ts";
import { viewerLayout } from "./viewer-layout.ts";
import { requestsView } from "./viewer-requests.ts";

const CLOCK_STEPS: Record<string, [label: string, seconds: number]> = {
  hour: ["An hour", 3_600],
  day: ["A day", 86_400],
  month: ["31 days", 31 * 86_400],
};

export function viewerPage(app: Hono, engine: Engine): void {
  app.get("/", (c) => c.html(viewerLayout("Emulator", viewer(engine))));

  app.post("/_viewer/advance", async (c) => {
    const step = fieldOf(await c.req.parseBody(), "step");
    const seconds = step === "renewal" ? secondsToRenewal(engine) : CLOCK_STEPS[step]?.[1];
    if (seconds !== undefined && seconds !== null) await engine.advance({ seconds: seconds });
    return c.redirect("/", 303);
  });

  app.post("/_viewer/decline", async (c) => {
    const undo = fieldOf(await c.req.parseBody(), "what") === "undo";
    engine.state.nextDecline = undo ? null : "generic_decline";
    engine.changed();
    return c.redirect("/", 303);
  });

  app.post("/_viewer/resend", async (c) => {
    const id = fieldOf(await c.req.parseBody(), "delivery");
    await engine.deliverNow(id);
    return c.redirect(`/#${encodeURIComponent(id)}`, 303);
  });
}

function viewer(engine: Engine): Markup {
  engine.catchUp();
  const contexts = engine.contexts();
  return html`<h1>Emulator</h1>
    ${clockCard(engine, contexts)}
    ${contexts.length === 0 ? html`<p class="card">No requests yet. Any <code>sk_test_…</code> key opens an account.</p>` : ""}
    ${contexts.map((context) => accountView(context))} ${requestsView(engine.requests)}`;
}

function clockCard(engine: Engine, contexts: readonly Context[]): Markup {
  const next = contexts
    .flatMap(({ account }) => nextTimer(account.timers, "", Infinity) ?? [])
    .toSorted((one, other) => one.at - other.at)[0];
  const renews = secondsToRenewal(engine) !== null;
  return html`<section class="card" data-testid="clock">
    <h2>Clock</h2>
    <p><span data-testid="now">${momentText(engine.state.now)}</span> UTC</p>
    <p class="soft" data-testid="next">
      ${next ? `Next: ${next.kind.replaceAll("_", " ")}, ${next.id}, ${momentText(next.at)}` : "Nothing is due."}
    </p>
    <form method="post" action="/_viewer/advance" class="inline" aria-label="Move the clock">
      ${Object.entries(CLOCK_STEPS).map(
        ([name, [label]]) =>
          html`<button class="quiet" name="step" value="${name}" data-testid="advance-${name}">${label}</button>`,
      )}
      <button class="quiet" name="step" value="renewal" data-testid="advance-renewal" ${renews ? "" : "disabled"}>
        To the next renewal
      </button>
    </form>
    ${declineForm(engine)}
  </section>`;
}

function declineForm({ state }: Engine): Markup {
  const waits = state.nextDecline != null;
  return html`<form method="post" action="/_viewer/decline" class="inline">
    ${
      waits
        ? html`<span role="status" data-testid="decline-waits">The next payment fails.</span>
            <button class="link" name="what" value="undo" data-testid="decline-undo">Take it back</button>`
        : html`<button class="quiet" data-testid="decline-next">Next payment fails</button>`
    }
  </form>`;
}

/** Returns the seconds until the next renewal of any subscription; null if no subscription renews. */
function secondsToRenewal(engine: Engine): number | null {
  const renewals = engine.contexts().flatMap((context) =>
    timersOfKind(context.account.timers, "", "period_ends").filter(({ id }) => {
      const subscription = find(context, "subscription", id);
      return subscription && !isEnding(subscription);
    }),
  );
  if (renewals.length === 0) return null;
  return Math.max(0, Math.min(...renewals.map(({ at }) => at)) - engine.state.now);
}
