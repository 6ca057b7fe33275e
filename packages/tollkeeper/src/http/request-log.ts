/** Gives each request an id, a span and a log line, and adds the headers that all responses have. */
import type { Context, MiddlewareHandler } from "hono";
import type { Runtime } from "../runtime.ts";

export interface HttpEnv {
  /** Called after a route that can cause work has succeeded. */
  Bindings: { onWork: () => void };
  Variables: { requestId: string };
}

export function logRequests({ now, newId, log, trace }: Runtime): MiddlewareHandler<HttpEnv> {
  return async (c, next) => {
    const startedAt = now();
    const requestId = `req_${newId()}`;
    const { method, path } = c.req;
    c.set("requestId", requestId);
    await trace("route", { "http.request.method": method, "url.path": path, requestId }, async (note) => {
      await next();
      note({ "http.response.status_code": c.res.status });
    });
    setHeaders(c, requestId);
    log.debug({ requestId, method, path, status: c.res.status, durationMs: now() - startedAt }, "request");
  };
}

function setHeaders(c: Context<HttpEnv>, requestId: string): void {
  c.header("x-request-id", requestId);
  c.header("cache-control", "no-store");
  c.header("x-content-type-options", "nosniff");
}
