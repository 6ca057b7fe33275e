/** The service as a fetch function: routes, limits, and every failure as the same JSON. */
import { OpenAPIHono } from "@hono/zod-openapi";
import type { Context, Next } from "hono";
import { cors } from "hono/cors";
import { HTTPException } from "hono/http-exception";
import { ForbiddenError, InvalidRequestError, TollkeeperError, type ErrorCode, type ErrorStatus } from "../errors.ts";
import type { ErrorAnswer } from "../wire.ts";
import type { HttpContext } from "./context.ts";
import type { App, HttpEnv } from "./json-route.ts";
import { readBody } from "./read-body.ts";
import { checkoutRoutes } from "./routes/checkout.ts";
import { serviceRoutes } from "./routes/service.ts";
import { subscriptionRoutes } from "./routes/subscriptions.ts";
import {
  createWebhookDoor,
  describeWebhook,
  MAX_WEBHOOK_BYTES,
  type ReceiveWebhook,
} from "../ingest/webhook-endpoint.ts";

/** The browser's requests are small. */
const MAX_JSON_BYTES = 16_384;
const PREFLIGHT_MAX_AGE_SECONDS = 600;

export type FetchHandler = (request: Request) => Promise<Response>;

export interface Handler {
  fetch: FetchHandler;
  receiveWebhook: ReceiveWebhook;
}

export function createHandler(context: HttpContext): Handler {
  const routes: App = new OpenAPIHono<HttpEnv>({
    defaultHook: (result) => {
      if (!result.success) throw firstProblem(result.error.issues);
    },
  });
  describeWebhook(routes);
  serviceRoutes(routes, context);
  routes.use(refuseForeignPages(context));
  routes.use(limitBody);
  checkoutRoutes(routes, context);
  subscriptionRoutes(routes, context);

  const app: App = new OpenAPIHono<HttpEnv>();
  app.use(setHeaders(context));
  app.use(
    cors({
      origin: [...context.allowedOrigins],
      allowHeaders: ["authorization", "content-type"],
      allowMethods: ["GET", "POST"],
      maxAge: PREFLIGHT_MAX_AGE_SECONDS,
    }),
  );
  app.route(context.basePath, routes);
  app.notFound((c) =>
    answerError(c, 404, { code: "not_found", message: `There is no ${c.req.method} ${c.req.path}.` }),
  );
  app.onError((error, c) => onError(context, error, c));
  const receiveWebhook = createWebhookDoor(context);
  const doorPath = `${context.basePath}/webhook`;
  return {
    receiveWebhook,
    fetch: async (request) =>
      request.method === "POST" && pathOf(request.url) === doorPath
        ? takeWebhook(receiveWebhook, request)
        : app.fetch(request),
  };
}

async function takeWebhook(receiveWebhook: ReceiveWebhook, request: Request): Promise<Response> {
  const read = await readBody(request, MAX_WEBHOOK_BYTES);
  const { status, headers, body } = await receiveWebhook(read, request.headers.get("stripe-signature"));
  return new Response(body, { status, headers });
}

/** Without parsing all of it. */
function pathOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("//") + 2);
  const query = url.indexOf("?", start);
  return query < 0 ? url.slice(start) : url.slice(start, query);
}

function setHeaders({ runtime }: HttpContext) {
  return async (c: Context<HttpEnv>, next: Next): Promise<void> => {
    const startedAt = runtime.now();
    const requestId = `req_${runtime.newId()}`;
    c.set("requestId", requestId);
    await runtime.trace(
      "route",
      { "http.request.method": c.req.method, "url.path": c.req.path, requestId },
      async (note) => {
        await next();
        note({ "http.response.status_code": c.res.status });
      },
    );
    c.header("x-request-id", c.get("requestId"));
    c.header("cache-control", "no-store");
    c.header("x-content-type-options", "nosniff");
    const fields = { requestId: c.get("requestId"), method: c.req.method, path: c.req.path, status: c.res.status };
    runtime.log.debug({ ...fields, durationMs: runtime.now() - startedAt }, "request");
  };
}

/**
 * A sign-in by cookie is sent along by any page's form: what other origins post is refused. Servers and scripts send no
 * Origin, and pages that `allowedOrigins` does not name can't read answers anyway.
 */
function refuseForeignPages({ allowedOrigins }: HttpContext) {
  return async (c: Context<HttpEnv>, next: Next): Promise<void> => {
    const origin = c.req.header("origin");
    const ours = origin === undefined || allowedOrigins.includes(origin) || origin === new URL(c.req.url).origin;
    if (c.req.method === "POST" && !ours)
      throw new ForbiddenError("origin_not_allowed", `Pages on ${origin.slice(0, 200)} may not do this.`);
    await next();
  };
}

/** A body that is not JSON is refused, not overlooked; an absent one counts as an empty object. */
async function limitBody(c: Context<HttpEnv>, next: Next): Promise<void> {
  if (c.req.method === "POST") {
    const body = await readBody(c.req.raw, MAX_JSON_BYTES);
    if (body.kind === "too_large")
      throw new TollkeeperError(413, "payload_too_large", `The body is over ${MAX_JSON_BYTES} bytes.`);
    if (body.kind === "unreadable") throw new InvalidRequestError("invalid_request", "The body could not be read.");
    const type = c.req.header("content-type") ?? "";
    if (body.bytes.byteLength > 0 && !/^application\/json\b/i.test(type))
      throw new InvalidRequestError("invalid_request", "Send the body as JSON, with content-type: application/json.");
    const headers = new Headers(c.req.raw.headers);
    headers.set("content-type", "application/json");
    const text = body.bytes.byteLength > 0 ? body.bytes.slice() : "{}";
    c.req.raw = new Request(c.req.url, { method: "POST", headers, body: text, signal: c.req.raw.signal });
  }
  await next();
}

function onError({ runtime }: HttpContext, error: Error, c: Context<HttpEnv>): Response {
  if (error instanceof TollkeeperError) {
    const { status, code, message, details } = error;
    if (status >= 500)
      runtime.log.warn(
        { requestId: c.get("requestId"), code, cause: error.cause instanceof Error ? error.cause.message : undefined },
        "request failed",
      );
    if (error.retryable) c.header("retry-after", "1");
    return answerError(c, status, { code, message, ...(details && { details: { ...details } }) });
  }
  if (error instanceof HTTPException && error.status < 500)
    return answerError(c, 400, { code: "invalid_request", message: "The body is not valid JSON." });
  runtime.log.error({ requestId: c.get("requestId"), error: error.stack ?? String(error) }, "request failed by a bug");
  const message = "Something went wrong here. It is logged under this request's id.";
  return answerError(c, 500, { code: "internal_error", message });
}

function answerError(
  c: Context<HttpEnv>,
  status: ErrorStatus,
  error: { code: ErrorCode; message: string; details?: Record<string, string> },
): Response {
  const answer: ErrorAnswer = { error: { ...error, requestId: c.get("requestId") } };
  return c.json(answer, status);
}

function firstProblem(issues: readonly { path: readonly PropertyKey[]; message: string }[]): InvalidRequestError {
  const [issue] = issues;
  const field = issue && issue.path.length > 0 ? issue.path.map(String).join(".") : "body";
  return new InvalidRequestError("invalid_request", `${field}: ${issue?.message ?? "is not valid"}`);
}
