/** Renders the viewer's first page: clock, failures, deliveries, accounts and recent requests. */
import { html } from "hono/html";
import type { Engine } from "../../engine.ts";
import type { Markup } from "../layout.ts";
import { accountView } from "./account.ts";
import { accountViews } from "./accounts.ts";
import { clockCard, lastMoveView } from "./clock.ts";
import { waitingDeliveries } from "./deliveries.ts";
import { faultsCard } from "./faults.ts";
import { requestsTable } from "./requests.ts";

/** The number of requests on the viewer's first page. */
const SHOWN_REQUESTS = 10;

/** Renders the first page. `origin` is the origin of the emulator's URL, for the example of a request. */
export function overview(engine: Engine, origin: string): Markup {
  const views = accountViews(engine);
  return html`<h1 id="title">Local emulator</h1>
    ${views.length === 0 ? firstSteps(origin) : ""} ${clockCard(engine, views)} ${faultsCard(engine)}
    ${lastMoveView(engine, views)} ${waitingDeliveries(engine, views)} ${views.map((view) => accountView(view))}
    ${requestsTable(
      engine.requests.slice(-SHOWN_REQUESTS),
      undefined,
      html`<p><a href="/_viewer/requests">All recent requests</a></p>`,
    )}`;
}

function firstSteps(origin: string): Markup {
  return html`<section class="card" id="first-steps" data-testid="first-steps">
    <h2>Send a first request</h2>
    <p>No requests yet. Any <code>sk_test_…</code> key opens an account:</p>
    <pre tabindex="0">curl ${origin}/v1/customers -u sk_test_123: -d email=ada@example.com</pre>
  </section>`;
}
