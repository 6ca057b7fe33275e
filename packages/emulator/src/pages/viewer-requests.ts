/** Renders the viewer's table of recent API requests. */
import { html } from "hono/html";
import type { RequestRecord } from "../core/request-log.ts";
import { momentText } from "./format.ts";
import type { Markup } from "./layout.ts";
import { section } from "./viewer-section.ts";

export function requestsView(requests: readonly RequestRecord[]): Markup {
  return section({
    title: "Requests",
    testid: "requests",
    heads: ["When", "Request", "Status", "Id", "Idempotency key"],
    rows: requests.map(({ at, method, path, status, requestId, idempotencyKey, replayed }) => [
      html`<span class="nowrap">${momentText(at)}</span>`,
      html`<code>${method} ${path}</code>`,
      html`<span class="badge ${status !== null && status < 400 ? "good" : "bad"}">${status ?? "broken off"}</span>${
          replayed ? " replayed" : ""
        }`,
      html`<code>${requestId ?? ""}</code>`,
      html`<code>${idempotencyKey ?? ""}</code>`,
    ]),
  });
}
