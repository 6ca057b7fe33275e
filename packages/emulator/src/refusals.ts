/** Responds to requests that no route serves. A browser that asks for a page gets a page; programs get JSON. */
import { createHash } from "node:crypto";
import type { Context as HttpContext } from "hono";
import { html, raw } from "hono/html";
import { unrecognized } from "./api.ts";
import { documentOf, errorPage, type Markup } from "./pages/layout.ts";
import { STYLE } from "./pages/style.ts";

/** Responds to a request with an unknown path. */
export function notFound(c: HttpContext): Response | Promise<Response> {
  return wantsPage(c)
    ? c.html(errorPage("Page not found", `The emulator has no page at ${c.req.path}.`), 404)
    : c.json(unrecognized(c.req.method, c.req.path).toBody(null), 404);
}

/** Returns a function that responds to a refused request with a message. Its page links to the emulator's own URL. */
export function refuseRequest(ownUrl: () => string) {
  return (c: HttpContext, message: string): Response | Promise<Response> => {
    if (!wantsPage(c)) return c.json({ error: { type: "invalid_request_error", message } }, 403);
    return c.html(refusedPage(message, ownUrl()), 403, HEADERS);
  };
}

function wantsPage(c: HttpContext): boolean {
  return c.req.header("accept")?.includes("text/html") ?? false;
}

/**
 * Renders the page of a refused request. The page contains its style sheet, because a request for the style sheet would be
 * refused too.
 */
function refusedPage(message: string, ownUrl: string): Markup {
  const body = html`<main class="narrow">
    <div class="card" data-testid="error">
      <h1>The emulator refused this request</h1>
      <p>${message}</p>
      <a class="button" href="${ownUrl}" data-testid="back">Open the emulator</a>
    </div>
  </main>`;
  return documentOf("Request refused", body, "", STYLE_ELEMENT);
}

/** The text between the tags must be exactly the text that the hash covers. */
const STYLE_ELEMENT = raw(`<style>${STYLE}</style>`);
const STYLE_HASH = createHash("sha256").update(STYLE).digest("base64");
const HEADERS = {
  "content-security-policy": `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; img-src data:; base-uri 'none'; frame-ancestors 'none'`,
  "x-frame-options": "DENY",
  "x-content-type-options": "nosniff",
  "cache-control": "no-store",
};
