/**
 * Lets pages of local apps call the routes for publishable keys, as Stripe.js does. A page of another origin needs the customer's
 * client secret, and can't use a secret key. Pages of other hosts stay refused.
 */
import type { Context as HttpContext, MiddlewareHandler, Next } from "hono";
import type { Api } from "./api.ts";
import { readKey } from "./request-input.ts";

const CORS_HEADERS = {
  "access-control-allow-methods": "GET, POST",
  "access-control-allow-headers": "authorization, content-type, idempotency-key, stripe-account, stripe-version",
  "access-control-expose-headers": "request-id, stripe-should-retry",
  "access-control-max-age": "300",
  vary: "origin",
};

/** Returns a function that reports whether a request has a publishable key and a route for such keys, or asks for one. */
export function clientRequests({ routes }: Pick<Api, "routes">): (c: HttpContext) => boolean {
  const isRoute = (method: string | undefined, path: string): boolean =>
    routes.some(
      (route) =>
        route.access === "client" &&
        route.method === method &&
        new RegExp(`^${route.path.replaceAll(/:\w+/g, "[^/]+")}$`).test(path),
    );
  return (c) =>
    c.req.method === "OPTIONS"
      ? isRoute(c.req.header("access-control-request-method"), c.req.path)
      : isRoute(c.req.method, c.req.path) && hasPublishableKey(c);
}

function hasPublishableKey(c: HttpContext): boolean {
  try {
    return readKey(c, true).publishable;
  } catch {
    return false;
  }
}

/** Returns a middleware that adds the headers with which a browser shows a response to a page of another origin. */
export function addLocalPageHeaders(isClientRequest: (c: HttpContext) => boolean): MiddlewareHandler {
  return (c, next) => {
    const origin = c.req.header("origin");
    return origin === undefined || !isClientRequest(c) ? next() : respondToPage(c, origin, next);
  };
}

async function respondToPage(c: HttpContext, origin: string, next: Next): Promise<Response | void> {
  const headers = { ...CORS_HEADERS, "access-control-allow-origin": origin };
  if (c.req.method === "OPTIONS") return new Response(null, { status: 204, headers });
  await next();
  for (const [name, value] of Object.entries(headers)) c.header(name, value);
}
