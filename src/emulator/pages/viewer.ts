/** The first page: what is there, what happened last, and a clock to move. */
import type { Hono } from "hono";
import { html } from "hono/html";
import { all, type World } from "../core/world.ts";
import type { Engine } from "../engine.ts";
import { fieldOf } from "./card-form.ts";
import { layout } from "./layout.ts";

const SHOWN_EVENTS = 50;
const STEPS: Record<string, [label: string, seconds: number]> = {
  hour: ["An hour", 3_600],
  day: ["A day", 86_400],
  month: ["31 days", 31 * 86_400],
};

export function viewerPage(app: Hono, engine: Engine): void {
  const { world } = engine;
  app.get("/", (c) => {
    const now = new Date(engine.now() * 1000).toUTCString();
    return c.html(
      layout(
        "Emulator",
        html`<h1>Emulator</h1>
          <section class="card">
            <h2>Clock</h2>
            <p data-testid="now">${now}</p>
            <form method="post" action="/advance" class="inline">
              ${Object.entries(STEPS).map(([name, [label]]) => html`<button class="quiet" name="step" value="${name}">${label}</button>`)}
            </form>
          </section>
          <section class="card">
            <h2>Subscriptions</h2>
            <table>
              <tr>
                <th>Id</th>
                <th>Customer</th>
                <th>Status</th>
              </tr>
              ${all(world, "subscription").map(
                (row) =>
                  html`<tr>
                    <td><code>${row.id}</code></td>
                    <td><code>${row.customer}</code></td>
                    <td>${row.status}</td>
                  </tr>`,
              )}
            </table>
          </section>
          <section class="card">
            <h2>Last events</h2>
            <table>
              <tr>
                <th>When</th>
                <th>Type</th>
                <th>Delivered</th>
              </tr>
              ${lastEvents(world)}
            </table>
          </section>`,
      ),
    );
  });

  app.post("/advance", async (c) => {
    const step = STEPS[fieldOf(await c.req.parseBody(), "step")];
    if (step) await engine.advance(step[1]);
    return c.redirect("/", 303);
  });
}

function lastEvents(world: World) {
  return all(world, "event")
    .slice(-SHOWN_EVENTS)
    .toReversed()
    .map((event) => {
      const when = new Date(event.created * 1000).toISOString().replace("T", " ").slice(0, 19);
      return html`<tr>
        <td>${when}</td>
        <td><code>${event.type}</code></td>
        <td>${event.pending_webhooks === 0 ? "yes" : "not yet"}</td>
      </tr>`;
    });
}
