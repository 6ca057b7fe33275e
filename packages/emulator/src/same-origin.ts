/** Rejects requests that another site makes a browser send to the emulator's pages and control routes. */
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

/**
 * Returns a middleware that rejects requests from other sites. The middleware accepts requests of programs, because
 * programs send no `Origin` header.
 */
export function rejectOtherSites(baseUrl: string): MiddlewareHandler {
  const ownName = new URL(baseUrl).hostname;
  return async (c, next) => {
    const { host, hostname } = new URL(c.req.url);
    const isOwn = hostname === ownName || isLocal(hostname);
    const writes = c.req.method !== "GET" && c.req.method !== "HEAD";
    const refused = writes
      ? isCrossSite(c.req.header("origin"), c.req.header("sec-fetch-site"), isOwn ? host : null)
      : c.req.path === "/" && !isOwn;
    if (refused)
      return c.text(`Rejected: the request comes from another site. Open the emulator at ${baseUrl}.`, 403, HEADERS);
    await next();
    for (const [name, value] of Object.entries(HEADERS)) c.header(name, value);
  };
}

function isCrossSite(origin: string | undefined, site: string | undefined, host: string | null): boolean {
  if (site !== undefined && site !== "same-origin" && site !== "none") return true;
  if (origin === undefined) return false;
  return host === null || !URL.canParse(origin) || new URL(origin).host !== host;
}

/**
 * Returns whether a host name is an IP address or localhost. An attacker's DNS server controls neither IP addresses nor the
 * address of localhost.
 */
function isLocal(hostname: string): boolean {
  return hostname === "localhost" || hostname.endsWith(".localhost") || /^[\d.]+$|^\[/.test(hostname);
}
