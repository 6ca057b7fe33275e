/** Adds response headers that protect the emulator's pages and control routes in a browser. */
import type { Context as HttpContext, MiddlewareHandler } from "hono";

const POLICY = "content-security-policy";
const FRAMES = "x-frame-options";
/** Forbids content of other sites. The directive `form-action` is not set, because the forms may redirect to the application. */
const CONTENT = "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'";

/** Also allows the viewer's own script, and the requests with which the script keeps the page up to date. */
const VIEWER_POLICY = `${CONTENT}; frame-ancestors 'none'; script-src 'self'; connect-src 'self'`;

/** Response headers that forbid scripts, frames and content of other sites. */
const HEADERS = {
  [POLICY]: `${CONTENT}; frame-ancestors 'none'`,
  [FRAMES]: "DENY",
  "x-content-type-options": "nosniff",
  // With a referrer policy stricter than `same-origin`, the browser would send no `Origin` header with the emulator's own
  // forms.
  "referrer-policy": "same-origin",
  "cache-control": "no-store",
};

/** Lets the pages of these origins show a response in a frame. The response may also run the emulator's own scripts. */
export function allowFrames(c: HttpContext, origins: readonly string[]): void {
  c.header(POLICY, `${CONTENT}; script-src 'self'; frame-ancestors ${origins.join(" ")}`);
}

export const addPageHeaders: MiddlewareHandler = async (c, next) => {
  await next();
  const hasPolicy = c.res.headers.has(POLICY);
  const isViewer = c.req.path === "/" || c.req.path.startsWith("/_viewer/");
  const headers = isViewer ? { ...HEADERS, [POLICY]: VIEWER_POLICY } : HEADERS;
  for (const [name, value] of Object.entries(headers))
    if (!hasPolicy || (name !== POLICY && name !== FRAMES)) c.header(name, value);
};
