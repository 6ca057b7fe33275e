/** Renders the viewer's list of recent API requests, and the page of one request. */
import { html } from "hono/html";
import { MAX_BODY_LENGTH, type RequestRecord } from "../../core/request-log.ts";
import { listAll } from "../../core/rows.ts";
import type { Engine } from "../../engine.ts";
import { momentText } from "../format.ts";
import type { Markup } from "../layout.ts";
import { accountViews, pathFinder } from "./accounts.ts";
import { jsonView } from "./json.ts";
import { maskText, withoutSecrets } from "./secrets.ts";
import { section } from "./section.ts";
import { eventsTable } from "./timeline.ts";

export function requestPath({ number }: RequestRecord): string {
  return `/_viewer/requests/${number}`;
}

const NO_REQUESTS = "No requests yet. Send one with any sk_test_ key.";

export function requestsTable(requests: readonly RequestRecord[], empty = NO_REQUESTS, more?: Markup): Markup {
  return section({
    title: "Requests",
    testid: "requests",
    heads: ["When", "Request", "Status", "Id", "Idempotency key"],
    rows: requests.map((request) => () => [
      html`<span class="nowrap">${momentText(request.at)}</span>`,
      html`<a href="${requestPath(request)}"><code>${request.method} ${maskText(request.path)}</code></a>`,
      statusBadge(request),
      html`<code>${request.requestId ?? ""}</code>`,
      html`<code>${request.idempotencyKey ?? ""}</code>`,
    ]),
    empty,
    more,
  });
}

function statusBadge({ status, replayed }: RequestRecord): Markup {
  const tone = status !== null && status < 400 ? "good" : "bad";
  return html`<span class="badge ${tone}">${status ?? "broken off"}</span>${replayed ? " replayed" : ""}`;
}

/** Renders the requests that contain a text and, if `failed` is true, have no success status. */
export function requestsPage({ requests }: Engine, text: string, failed: boolean): Markup {
  const found = requests.filter(
    (request) => matches(request, text) && (!failed || request.status === null || request.status >= 400),
  );
  const isFiltered = text !== "" || failed;
  return html`<h1 id="title">Requests</h1>
    <form class="card filter" id="filter">
      <label for="text">Filter</label>
      <input
        id="text"
        name="text"
        value="${text}"
        maxlength="200"
        autocomplete="off"
        placeholder="A path, ID, key or text"
      />
      <label class="check"
        ><input type="checkbox" name="failed" value="yes" ${failed ? "checked" : ""} /> Only failed</label
      >
      <button class="quiet">Filter</button>
    </form>
    ${requestsTable(found, isFiltered ? "No request matches the filter." : NO_REQUESTS)}`;
}

/** Returns whether a request contains a text, also in its bodies. */
export function matches(request: RequestRecord, text: string): boolean {
  const { method, path, query, params, response, requestId, idempotencyKey } = request;
  return [`${method} ${path}`, query, params, response, requestId, idempotencyKey].some((part) => part?.includes(text));
}

/** Renders the page of a request; null if the log does not contain the request. */
export function requestPage(engine: Engine, number: number): { title: string; body: Markup } | null {
  const request = engine.requests.find((one) => one.number === number);
  if (!request) return null;
  const title = `${request.method} ${maskText(request.path)}`;
  return {
    title,
    body: html`<h1 id="title"><code>${title}</code></h1>
      <section class="card" id="exchange" data-testid="exchange">
        <p>
          ${statusBadge(request)} ${momentText(request.at)} UTC <code>${request.requestId ?? ""}</code>
          ${request.idempotencyKey === null ? "" : html`<br />Idempotency key <code>${request.idempotencyKey}</code>`}
        </p>
        <h2>Parameters</h2>
        ${paramsTable(engine, request)}
        <h2>Response</h2>
        ${responseView(engine, request)}
      </section>
      ${eventsOf(engine, request)}`,
  };
}

function paramsTable(engine: Engine, { query, params }: RequestRecord): Markup {
  const entries = [...new URLSearchParams(query), ...new URLSearchParams(params)];
  if (entries.length === 0) return html`<p class="soft">None.</p>`;
  const pathOf = pathFinder(accountViews(engine));
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Parameters" id="params">
    <table>
      <tbody data-testid="params">
        ${entries.map(
          ([name, value]) =>
            html`<tr>
              <th scope="row"><code>${name}</code></th>
              <td>${linkTo(pathOf(value), String(withoutSecrets(name, value)))}</td>
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

function linkTo(path: string | null, text: string): Markup {
  return path === null ? html`<code>${text}</code>` : html`<a href="${path}"><code>${text}</code></a>`;
}

function responseView(engine: Engine, { response }: RequestRecord): Markup {
  if (response === "") return html`<p class="soft">The connection ended without a response.</p>`;
  try {
    return jsonView(JSON.parse(response), "response", pathFinder(accountViews(engine)));
  } catch {
    return html`${response.length < MAX_BODY_LENGTH ? "" : html`<p class="soft">The first ${MAX_BODY_LENGTH} characters:</p>`}
      <pre tabindex="0" id="response">${maskText(response)}</pre>`;
  }
}

function eventsOf(engine: Engine, { requestId }: RequestRecord): Markup[] {
  return accountViews(engine).flatMap((view) => {
    const events = listAll(view.context, "event", ({ request }) => requestId !== null && request.id === requestId);
    const table = { events, title: "Events of the request", testid: "request-events", empty: "" };
    return events.length === 0 ? [] : [eventsTable(view, table)];
  });
}
