/** The newest API requests and how they were answered. */
import { html } from "hono/html";
import type { RequestNote } from "../core/requests.ts";
import type { Markup } from "./layout.ts";
import { section } from "./viewer-section.ts";
import { momentText } from "./words.ts";

export function requestsView(requests: readonly RequestNote[]): Markup {
  return section({
    title: "Requests",
    testid: "requests",
    heads: ["When", "Request", "Answer", "Id", "Idempotency key"],
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
