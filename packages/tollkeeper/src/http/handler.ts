/** Creates the service's fetch function from the route table and the webhook endpoint. */
import { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { cors } from "hono/cors";
import { describeError } from "../domain/log-text.ts";
import { ForbiddenError } from "../errors.ts";
import type { Logger } from "../runtime.ts";
import { isBodyConsumed, refuseRequest } from "./consumed-body.ts";
import type { HttpContext } from "./context.ts";
import { requireJson } from "./read-body.ts";
import { respondToError, respondWithError } from "./error-response.ts";
import { OPENAPI_PATH, serveOpenApi } from "./openapi.ts";
import { logRequests, type HttpEnv } from "./request-log.ts";
import { ROUTES } from "./routes.ts";
import { bypassRouter, createWebhookEndpoint, type FetchAndNoteWork, type ReceiveWebhook } from "./webhook-endpoint.ts";

const PREFLIGHT_MAX_AGE_SECONDS = 600;
const MAX_SHOWN_ORIGIN = 200;

/** The part of a platform's context that the service uses, as of Cloudflare's `ExecutionContext`. */
export interface FetchContext {
  /** Keeps a serverless process running after the response until the promise is settled. */
  waitUntil?: (work: Promise<unknown>) => void;
}

/**
 * Handles one request. If the context has a function `waitUntil`, the service passes it the work that the request caused, such
 * as the processing of a webhook's event.
 */
export type FetchHandler = (request: Request, context?: FetchContext) => Promise<Response>;

export interface Handler {
  fetch: FetchHandler;
  receiveWebhook: ReceiveWebhook;
}

export function createHandler(context: HttpContext): Handler {
  const { basePath, allowedOrigins, corsCredentials, runtime } = context;
  // If the router is not strict, it ignores a slash at the end of a path.
  const app = new OpenAPIHono<HttpEnv>({ strict: false });
  app.use(logRequests(runtime));
  app.use(
    cors({
      origin: [...allowedOrigins],
      credentials: corsCredentials,
      allowHeaders: ["authorization", "content-type"],
      allowMethods: ["GET", "POST"],
      maxAge: PREFLIGHT_MAX_AGE_SECONDS,
    }),
  );
  app.route(basePath, mountRoutes(context));
  app.notFound((c) => {
    const message = `Route ${c.req.method} ${c.req.path} not found. See ${basePath}${OPENAPI_PATH} for all routes.`;
    return respondWithError(c, 404, { code: "not_found", message });
  });
  app.onError((error, c) => respondToError(runtime.log, error, c));
  const receiveWebhook = createWebhookEndpoint(context);
  const fetchRoute: FetchAndNoteWork = async (request, onWork) => app.fetch(request, { onWork });
  const fetchRequest = bypassRouter(basePath, receiveWebhook, fetchRoute);
  return { receiveWebhook, fetch: withWaitUntil(context, refusingConsumedBodies(runtime.log, fetchRequest)) };
}

/** Returns a fetch function that passes the work that a request caused to `waitUntil`. */
function withWaitUntil({ work, runtime }: HttpContext, fetchRequest: FetchAndNoteWork): FetchHandler {
  return async (request, context) => {
    let causedWork = false;
    const response = await fetchRequest(request, () => {
      causedWork = true;
    });
    if (typeof context?.waitUntil === "function" && causedWork)
      context.waitUntil(
        work.processDue().catch((error: unknown) => {
          runtime.log.warn(
            { error: describeError(error) },
            "failed to process work after a response; the next request retries",
          );
        }),
      );
    return response;
  };
}

/** Refuses requests whose body the app has read. Such a request can be checked in no other way. */
function refusingConsumedBodies(log: Logger, fetchRequest: FetchAndNoteWork): FetchAndNoteWork {
  return async (request, onWork) =>
    isBodyConsumed(request) ? refuseRequest(request, log) : fetchRequest(request, onWork);
}

function mountRoutes(context: HttpContext): OpenAPIHono<HttpEnv> {
  const app = new OpenAPIHono<HttpEnv>();
  app.use(async (c, next) => {
    requireAllowedOrigin(c.req.raw, context);
    await next();
  });
  for (const { method, path, contentType, causesWork, run } of ROUTES)
    if (run)
      app.on(method.toUpperCase(), path, async (c) => {
        const body = await run(context, c.req.raw);
        if (causesWork) c.env.onWork();
        return respond(c, body, contentType);
      });
  serveOpenApi(app, ROUTES, context.basePath);
  return app;
}

/**
 * Rejects requests that pages of other sites send with the user's cookies (cross-site request forgery). Throws `ForbiddenError`
 * for a POST from an origin that is neither allowed nor the service's own. Requests of servers and scripts have no `Origin`
 * header, so the service accepts them. GET requests are accepted: only `/work` and `/checkout-session` change anything, and a
 * repeated request to them is harmless. CORS hides the responses to GET requests from other origins.
 *
 * If cookies of other origins are allowed, browsers send the user's cookies with requests of every site. So a POST with cookies
 * must then have an `Origin`, and its content type must be JSON, even if its body is empty. A form can't send JSON.
 */
function requireAllowedOrigin(request: Request, { allowedOrigins, corsCredentials }: HttpContext): void {
  if (request.method !== "POST") return;
  const origin = request.headers.get("origin");
  if (corsCredentials && request.headers.has("cookie")) {
    if (origin === null)
      throw new ForbiddenError(
        "origin_not_allowed",
        "The request has cookies but no Origin header. Send it from a page.",
      );
    requireJson(request.headers.get("content-type") ?? "");
  }
  if (origin === null || allowedOrigins.includes(origin) || origin === new URL(request.url).origin) return;
  const shown = origin.slice(0, MAX_SHOWN_ORIGIN);
  throw new ForbiddenError("origin_not_allowed", `Origin "${shown}" is not allowed. Add it to ALLOWED_ORIGINS.`);
}

function respond(c: Context<HttpEnv>, body: unknown, contentType: string | undefined): Response {
  return contentType !== undefined && typeof body === "string"
    ? c.body(body, 200, { "content-type": contentType })
    : c.json(body, 200);
}
