/** Keeps the pages of other sites away from the emulator's pages and controls. */
import type { MiddlewareHandler } from "hono";

/** No scripts, no frames, and nothing from anywhere else. Forms may redirect to the application, so they are not bound. */
const HEADERS = {
  "content-security-policy":
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'",
  "x-frame-options": "DENY",
  "x-content-type-options": "nosniff",
  // Stricter ones make the browser hide the origin of the emulator's own forms.
  "referrer-policy": "same-origin",
  "cache-control": "no-store",
};

/** Programs send no origin and pass. Browsers pass from the emulator's own pages, at an address that is its own. */
export function guard(baseUrl: string): MiddlewareHandler {
  const ownName = new URL(baseUrl).hostname;
  return async (c, next) => {
    const { host, hostname } = new URL(c.req.url);
    const isOwn = hostname === ownName || isLocal(hostname);
    const writes = c.req.method !== "GET" && c.req.method !== "HEAD";
    const refused = writes
      ? comesFromElsewhere(c.req.header("origin"), c.req.header("sec-fetch-site"), isOwn ? host : null)
      : c.req.path === "/" && !isOwn;
    if (refused)
      return c.text(`Refused: this comes from another site. The emulator's own address is ${baseUrl}.`, 403, HEADERS);
    await next();
    for (const [name, value] of Object.entries(HEADERS)) c.header(name, value);
  };
}

function comesFromElsewhere(origin: string | undefined, site: string | undefined, host: string | null): boolean {
  if (site !== undefined && site !== "same-origin" && site !== "none") return true;
  if (origin === undefined) return false;
  return host === null || !URL.canParse(origin) || new URL(origin).host !== host;
}

/** Addresses and names that no stranger's DNS can answer for. */
function isLocal(hostname: string): boolean {
  return hostname === "localhost" || hostname.endsWith(".localhost") || /^[\d.]+$|^\[/.test(hostname);
}
