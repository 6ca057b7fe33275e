/** Adds response headers that protect the emulator's pages and control routes in a browser. */
import type { MiddlewareHandler } from "hono";

/**
 * Response headers that forbid scripts, frames and content of other sites. The directive `form-action` is not set,
 * because the forms may redirect to the application.
 */
const HEADERS = {
  "content-security-policy":
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'",
  "x-frame-options": "DENY",
  "x-content-type-options": "nosniff",
  // With a referrer policy stricter than `same-origin`, the browser would send no `Origin` header with the emulator's own
  // forms.
  "referrer-policy": "same-origin",
  "cache-control": "no-store",
};

export const addPageHeaders: MiddlewareHandler = async (c, next) => {
  await next();
  for (const [name, value] of Object.entries(HEADERS)) c.header(name, value);
};
