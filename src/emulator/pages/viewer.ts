/** The first page: what there is, what happened, and a clock to move. */
import type { Hono } from "hono";
import { html } from "hono/html";
import { formatAmount } from "../core/money.ts";
import { nextTimer } from "../core/timers.ts";
import { all, type World } from "../core/world.ts";
import type { Engine } from "../engine.ts";
import { fieldOf } from "./card-form.ts";
import { layout, type Markup } from "./layout.ts";

const SHOWN = 60;
const STEPS: Record<string, [label: string, seconds: number]> = {
  hour: ["An hour", 3_600],
  day: ["A day", 86_400],
  month: ["31 days", 31 * 86_400],
};
const MAX_RENEWAL_SECONDS = 400 * 86_400;

export function viewerPage(app: Hono, engine: Engine): void {
  app.get("/", (c) => c.html(layout("Emulator", viewer(engine))));

  app.post("/_viewer/advance", async (c) => {
    const step = fieldOf(await c.req.parseBody(), "step");
    const known = STEPS[step];
    if (known) await engine.advance(known[1]);
    else if (step === "renewal") await engine.advance(MAX_RENEWAL_SECONDS, { event: "invoice.created", when: "after" });
    return c.redirect("/", 303);
  });

  app.post("/_viewer/decline", (c) => {
    engine.state.faults.push({
      path: "/",
      answer: "decline",
      when: "before",
      seconds: 60,
      code: "generic_decline",
      times: 1,
      skip: 0,
    });
    return c.redirect("/", 303);
  });

  app.post("/_viewer/resend", async (c) => {
    await engine.deliverNow(fieldOf(await c.req.parseBody(), "delivery"));
    return c.redirect("/", 303);
  });
}

function viewer(engine: Engine): Markup {
  const now = engine.now();
  const worlds = [...engine.state.accounts.keys()].map((id) => engine.worldOf(id));
  const due = worlds.flatMap((world) => nextTimer(world.account.timers, "", Infinity) ?? []);
  const next = due.toSorted((a, b) => a.at - b.at)[0];
  return html`<h1>Emulator</h1>
    <section class="card">
      <h2>Clock</h2>
      <p data-testid="now">${new Date(now * 1000).toUTCString()}</p>
      <p class="soft">
        ${next ? `Next: ${next.kind.replaceAll("_", " ")} of ${next.id}, ${when(next.at)}` : "Nothing is due."}
      </p>
      <form method="post" action="/_viewer/advance" class="inline">
        ${Object.entries(STEPS).map(([name, [label]]) => html`<button class="quiet" name="step" value="${name}">${label}</button>`)}
        <button class="quiet" name="step" value="renewal">To the next renewal</button>
      </form>
      <form method="post" action="/_viewer/decline" class="inline">
        <button class="quiet" data-testid="decline-next">Next payment fails</button>
      </form>
    </section>
    ${worlds.length === 0 ? html`<p class="soft">Nobody has called yet: any <code>sk_test_…</code> key opens an account.</p>` : ""}
    ${worlds.map((world) => accountView(world))}`;
}

function accountView(world: World): Markup {
  const ignored = [...world.account.ignored];
  return html`<h2>Account ${world.account.id}</h2>
    ${table(
      "Customers",
      ["Id", "Email", "Balance"],
      all(world, "customer").map((row) => [row.id, row.email ?? "", String(row.balance ?? 0)]),
    )}
    ${table(
      "Subscriptions",
      ["Id", "Customer", "Status"],
      all(world, "subscription").map((row) => [row.id, row.customer, row.status]),
    )}
    ${table(
      "Invoices",
      ["Number", "Customer", "Total", "Status"],
      all(world, "invoice").map((row) => [
        row.number ?? row.id,
        row.customer,
        formatAmount(row.total, row.currency),
        row.status,
      ]),
    )}
    ${
      ignored.length > 0
        ? table(
            "Parameters that were taken and ignored",
            ["Parameter", "Times"],
            ignored.map(([name, times]) => [name, String(times)]),
          )
        : ""
    }
    <section class="card">
      <h2>Events and deliveries</h2>
      <table data-testid="timeline">
        <tr>
          <th>When</th>
          <th>Type</th>
          <th>Delivered</th>
          <th></th>
        </tr>
        ${timeline(world)}
      </table>
    </section>`;
}

function table(title: string, heads: readonly string[], rows: readonly (readonly string[])[]): Markup {
  return html`<section class="card">
    <h2>${title}</h2>
    <table>
      <tr>
        ${heads.map((head) => html`<th>${head}</th>`)}
      </tr>
      ${rows
        .slice(-SHOWN)
        .toReversed()
        .map(
          (row) =>
            html`<tr>
              ${row.map((cell) => html`<td>${cell}</td>`)}
            </tr>`,
        )}
    </table>
  </section>`;
}

function timeline(world: World): Markup[] {
  return all(world, "event")
    .slice(-SHOWN)
    .toReversed()
    .map((event) => {
      const ids = world.account.deliveriesOf.get(event.id) ?? [];
      const deliveries = ids.flatMap((id) => world.account.deliveries.get(id) ?? []);
      return html`<tr>
        <td>${when(event.created)}</td>
        <td><code>${event.type}</code></td>
        <td>
          ${deliveries.map(({ state, attempts }) => `${state} (${attempts.map(({ status, error }) => status ?? error).join(", ")})`).join("; ") || "nobody listens"}
        </td>
        <td>
          ${deliveries.map(
            ({ id }) =>
              html`<form method="post" action="/_viewer/resend">
                <button class="link" name="delivery" value="${id}">Resend</button>
              </form>`,
          )}
        </td>
      </tr>`;
    });
}

function when(at: number): string {
  return new Date(at * 1000).toISOString().replace("T", " ").slice(0, 19);
}
