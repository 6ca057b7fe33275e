/**
 * Handles every API request: checks the API key, applies faults and idempotency keys, parses parameters, calls the
 * route's handler, expands the response, and builds error bodies.
 */
import { type Context as HttpContext, Hono } from "hono";
import type { z } from "zod";
import { clientView } from "./client-view.ts";
import { findResponseProblems } from "./core/check-response.ts";
import { classifyParams, isOperation, type UsedParams } from "./core/classify-params.ts";
import { switchToClockOf } from "./core/clock.ts";
import { ApiError, requestLogUrl } from "./core/errors.ts";
import { isExpandable } from "./core/expandable.ts";
import type { Fault } from "./core/fault-schemas.ts";
import { consumeFault } from "./core/faults.ts";
import type { FormValue } from "./core/form-encoding.ts";
import { findStoredResponse, keyInUseError, storeResponse } from "./core/idempotency.ts";
import { newToken } from "./core/ids.ts";
import { parseParams } from "./core/params.ts";
import { recordRequest } from "./core/request-log.ts";
import { find, findById } from "./core/rows.ts";
import { paramsOfSchema } from "./core/schema-params.ts";
import { API_VERSION, type Context, publicIdOf } from "./core/state.ts";
import { finish } from "./core/events.ts";
import { rollback } from "./core/transaction.ts";
import { patternOf, refuseUnused } from "./core/unused-params.ts";
import type { Engine } from "./engine.ts";
import { expand as expandObject, notExpandable } from "./expand.ts";
import { JSON_TYPE, respondWithFault } from "./fault-response.ts";
import { otherVersionOf, queryOf, readKey, readParams, readText, timeHeader } from "./request-input.ts";

/** A route's handler. `id` and `child` are the IDs in the URL path, or "" if the path has none. */
type Handler<Schema extends z.ZodType> = (
  context: Context,
  params: z.output<Schema>,
  id: string,
  child: string,
) => object;
type AddRoute = <Schema extends z.ZodType>(path: string, schema: Schema, handler: Handler<Schema>) => void;

export interface Api {
  get: AddRoute;
  post: AddRoute;
  delete: AddRoute;
  /** Adds a route that needs no secret API key, because the checkout page calls it. */
  publicGet: AddRoute;
  publicPost: AddRoute;
  /** Adds a route that browsers and mobile apps call with a publishable API key, and servers with a secret API key. */
  clientGet: AddRoute;
  clientPost: AddRoute;
  app: Hono;
  options: ApiOptions;
  /**
   * All API routes, with the parameters that each route uses. The file FIDELITY.md is generated from the list of API routes.
   */
  routes: { method: Method; path: string; access: Route["access"]; uses: UsedParams }[];
}

type Method = "GET" | "POST" | "DELETE";

/** The number of different warnings after which the emulator reports no more. */
const MAX_WARNINGS = 1_000;

export interface ApiOptions {
  /**
   * If true, the emulator compares each response with the types of Stripe's SDK. If a response differs from the SDK's types,
   * the request gets a 500 error that names the difference.
   */
  checkResponses: boolean;
  /** If true, the emulator refuses cosmetic parameters and other API versions with a 501 error, instead of a warning. */
  strict: boolean;
  /** A callback function: the emulator calls it once for each ignored parameter and once for each other API version. */
  onWarning: (message: string) => void;
}

interface ApiResponse {
  status: number;
  body: string;
  requestId: string;
  replayed: boolean;
}

interface Route {
  method: Method;
  path: string;
  access: "secret" | "public" | "client";
  /** True if the handler uses no parameters. Then the request's body can have any format, such as the JSON of the v2 API. */
  ignoresParams?: boolean;
  options: ApiOptions;
  handle: (context: Context, params: Record<string, FormValue>, id: string, child: string) => object;
}

export function createApi(engine: Engine, { onWarning, ...given }: ApiOptions): Api {
  const app = new Hono();
  const options = { ...given, onWarning: oncePerMessage(onWarning) };
  const routes: Api["routes"] = [];
  const inProgress = new Set<string>();
  const add =
    (method: Method, access: Route["access"]): AddRoute =>
    (path, schema, handler) => {
      const uses = paramsOfSchema(schema) ?? new Map();
      routes.push({ method, path, access, uses });
      const handle: Route["handle"] = (context, params, id, child) => {
        const operation = `${method} ${path}`;
        const { used, unused } = classifyParams(method, path, params, uses);
        refuseUnused(operation, unused, options.strict);
        for (const { name } of unused) recordIgnored(context, options, operation, patternOf(name));
        const parsed = parseParams(schema, used);
        const { expand: properties = [] } = used as { expand?: string[] };
        const notExpandableName = properties.find((property) => !isExpandable(method, path, property));
        if (notExpandableName !== undefined) throw notExpandable(notExpandableName);
        const result = expandObject(context, handler(context, parsed, id, child), properties);
        if (options.checkResponses) checkResponse(method, path, result);
        return context.publishable ? (clientView(result) as object) : result;
      };
      app.on(method, path, (c) => respond(engine, c, { method, path, access, handle, options }, inProgress));
    };
  return {
    app,
    options,
    routes,
    get: add("GET", "secret"),
    post: add("POST", "secret"),
    delete: add("DELETE", "secret"),
    publicGet: add("GET", "public"),
    publicPost: add("POST", "public"),
    clientGet: add("GET", "client"),
    clientPost: add("POST", "client"),
  };
}

/**
 * Rejects API requests that have no route. The status is 501 if Stripe's SDK has the requested operation, and 404 otherwise.
 */
export function rejectUnimplemented({ app, options }: Api, engine: Engine): void {
  app.on("ALL", ["/v1/*", "/v2/*"], (c) => {
    const handle = (): object => {
      throw isOperation(c.req.method, c.req.path)
        ? new ApiError(`The emulator does not implement ${c.req.method} ${c.req.path}.`, {
            status: 501,
            type: "api_error",
          })
        : unrecognized(c.req.method, c.req.path);
    };
    return respond(
      engine,
      c,
      { method: c.req.method as Method, path: c.req.path, access: "secret", ignoresParams: true, handle, options },
      new Set(),
    );
  });
}

/** Returns Stripe's 404 error for an unknown URL. */
export function unrecognized(method: string, path: string): ApiError {
  return new ApiError(
    `Unrecognized request URL (${method}: ${path}). If you are trying to list objects, remove the trailing slash. If you are trying to retrieve an object, make sure you passed a valid (non-empty) identifier in your code. Please see https://stripe.com/docs or we can help at https://support.stripe.com/.`,
    { status: 404 },
  );
}

function recordIgnored({ account }: Context, { onWarning }: ApiOptions, operation: string, param: string): void {
  const name = `${operation} ${param}`;
  account.ignoredParams.set(name, (account.ignoredParams.get(name) ?? 0) + 1);
  onWarning(`ignored: the parameter ${param} of ${operation} has no effect`);
}

/** Counts a request in another API version. Throws the error 501 if the option `strict` refuses other API versions. */
function recordVersion({ account }: Context, { strict, onWarning }: ApiOptions, version: string | null): void {
  if (version === null) return;
  if (strict)
    throw new ApiError(
      `The emulator implements only the API version ${API_VERSION}, and the option \`strict\` refuses ${version}. Configure the API version ${API_VERSION}.`,
      { status: 501, type: "api_error", code: "api_version_not_implemented" },
    );
  account.otherVersions.set(version, (account.otherVersions.get(version) ?? 0) + 1);
  onWarning(`API version ${version} requested: the emulator responds in version ${API_VERSION}`);
}

function oncePerMessage(report: (message: string) => void): (message: string) => void {
  const reported = new Set<string>();
  return (message) => {
    if (reported.has(message) || reported.size >= MAX_WARNINGS) return;
    reported.add(message);
    report(message);
  };
}

function checkResponse(method: string, path: string, result: object): void {
  const problems = findResponseProblems(method, path, result);
  if (problems.length > 0)
    throw new Error(`the response to ${method} ${path} does not match the SDK's types: ${problems.join("; ")}`);
}

async function respond(engine: Engine, c: HttpContext, route: Route, inProgress: Set<string>): Promise<Response> {
  engine.catchUp();
  let response: Response | null = null;
  const exchange: Exchange = { params: "", response: "" };
  try {
    response = await respondOnce(engine, c, route, { inProgress, exchange });
    return response;
  } finally {
    recordRequest(engine.requests, {
      at: engine.state.now,
      method: c.req.method,
      path: c.req.path,
      query: queryOf(c),
      ...exchange,
      status: response?.status ?? null,
      requestId: response?.headers.get("request-id") ?? null,
      idempotencyKey: c.req.header("idempotency-key") ?? null,
      replayed: response?.headers.has("idempotent-replayed") ?? false,
    });
    engine.feed.notify();
  }
}

/** The bodies of a request and its response, for the request log. */
interface Exchange {
  params: string;
  response: string;
}

async function respondOnce(
  engine: Engine,
  c: HttpContext,
  route: Route,
  { inProgress, exchange }: { inProgress: Set<string>; exchange: Exchange },
): Promise<Response> {
  const text = await readText(c);
  exchange.params = typeof text === "string" ? text : "";
  const key = c.req.method === "POST" ? (c.req.header("idempotency-key") ?? null) : null;
  const request = {
    method: c.req.method,
    path: c.req.path,
    text: `${c.req.url} ${typeof text === "string" ? text : ""}`,
    key,
  };
  if (key !== null && inProgress.has(key)) {
    const requestId = newToken(engine, "req", 14);
    return toResponse(engine, c, errorResponse(keyInUseError(key), requestId, null), exchange);
  }
  const fault = consumeFault(engine.state, request);
  const input = { text, key, fault, exchange };
  if (key === null || fault === null) return runRequest(engine, c, route, input);
  inProgress.add(key);
  try {
    return await runRequest(engine, c, route, input);
  } finally {
    inProgress.delete(key);
  }
}

interface RequestInput {
  text: string | ApiError;
  key: string | null;
  fault: Fault | null;
  exchange: Exchange;
}

async function runRequest(engine: Engine, c: HttpContext, route: Route, input: RequestInput): Promise<Response> {
  const { fault, exchange } = input;
  const delay = fault?.answer === "delay" ? fault.milliseconds : null;
  if (delay !== null && fault?.when === "before")
    return engine.delays.after(delay, () => runRequest(engine, c, route, { ...input, fault: null }));
  const failing = fault !== null && !RESPONDING.includes(fault.answer) ? fault : null;
  if (failing?.when === "before") return failWith(engine, failing, exchange);
  const response = handleRequest(engine, c, route, input);
  if (failing) return failWith(engine, failing, exchange, response.body);
  if (c.req.method !== "GET") void engine.deliverDue();
  const result = toResponse(engine, c, response, exchange);
  return delay === null ? result : engine.delays.after(delay, async () => result);
}

/** The faults under which a request gets its own response. */
const RESPONDING: readonly Fault["answer"][] = ["stale", "decline", "delay"];

async function failWith(engine: Engine, fault: Fault, exchange: Exchange, body?: string): Promise<Response> {
  const response = await respondWithFault(engine, fault, body);
  exchange.response = await response.clone().text();
  return response;
}

function handleRequest(engine: Engine, c: HttpContext, route: Route, input: RequestInput): ApiResponse {
  const { text, fault } = input;
  let { key } = input;
  let context: Context | null = null;
  const requestId = newToken(engine, "req", 14);
  const request = { method: c.req.method, path: c.req.path, params: typeof text === "string" ? text : "" };
  try {
    context = contextFor(engine, c, route);
    recordVersion(context, route.options, otherVersionOf(c));
    // A response to a secret key must not be replayed to a publishable key.
    if (context.publishable && key !== null) key = `publishable ${key}`;
    if (text instanceof ApiError) throw text;
    const stored = key === null ? null : findStoredResponse(context, key, request);
    if (stored) return { ...stored, replayed: true };
    context.request = { id: requestId, idempotencyKey: input.key };
    if (request.method === "GET") context.writable = null;
    const response = { status: 200, body: runRoute(context, c, route, { text, fault }), requestId };
    if (key !== null) storeResponse(context, key, { ...request, ...response, storedAt: engine.state.now });
    if (context.move) engine.lastMove = context.move;
    return { ...response, replayed: false };
  } catch (error) {
    const response = errorResponse(error, requestId, context);
    if (context === null) return response;
    if (!(error instanceof ApiError && error.keepsEffects)) rollback(context);
    // Stripe stores declines and 500 responses under the idempotency key. Stripe does not store the error of a request
    // that it rejects before execution.
    if (key !== null && (response.status === 402 || response.status >= 500))
      storeResponse(context, key, { ...request, ...response, storedAt: engine.state.now });
    return response;
  } finally {
    if (context !== null) finish(context);
    if (c.req.method !== "GET") engine.changed();
  }
}

function contextFor(engine: Engine, c: HttpContext, { access }: Route): Context {
  if (access === "public") return publicContext(engine, c.req.param("id") ?? "");
  const { account, publishable } = readKey(c, access === "client");
  return Object.assign(engine.contextOf(account), { publishable });
}

function runRoute(
  context: Context,
  c: HttpContext,
  route: Route,
  { text, fault }: { text: string; fault: Fault | null },
): string {
  const params = route.ignoresParams ? {} : readParams(c, text);
  const { id = "", child = "" } = c.req.param() as { id?: string; child?: string };
  selectClock(context, id, params);
  context.staleSeconds = fault?.answer === "stale" ? fault.seconds : 0;
  context.forcedDecline = fault?.answer === "decline" ? fault.code : null;
  return JSON.stringify(route.handle(context, params, id, child));
}

/** If the request names an object or customer with a test clock, switches the request to the test clock's time. */
function selectClock(context: Context, id: string, params: Record<string, FormValue>): void {
  const clock = params["test_clock"];
  if (typeof clock === "string") return switchToClockOf(context, { test_clock: clock });
  const named = ["customer", "subscription", "invoice", "payment_intent", "charge", "from_subscription"]
    .map((name) => params[name])
    .find((value) => typeof value === "string");
  switchToClockOf(
    context,
    findById(context, id) ??
      (typeof named === "string" ? (find(context, "customer", named) ?? findById(context, named)) : null),
  );
}

function errorResponse(error: unknown, requestId: string, context: Context | null): ApiResponse {
  const known =
    error instanceof ApiError
      ? error
      : new ApiError(
          `The emulator failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
          { status: 500, type: "api_error" },
        );
  const body = known.toBody(context && requestLogUrl(publicIdOf(context.account), requestId));
  const shown = context?.publishable ? clientView(body) : body;
  return { status: known.status, body: JSON.stringify(shown), requestId, replayed: false };
}

function publicContext(engine: Engine, id: string): Context {
  const context = engine.contextWith(id);
  if (!context)
    throw new ApiError(`No such payment page: '${id}'`, { status: 404, code: "resource_missing", param: "id" });
  return context;
}

function toResponse(
  engine: Engine,
  c: HttpContext,
  { status, body, requestId, replayed }: ApiResponse,
  exchange: Exchange,
): Response {
  exchange.response = body;
  const key = c.req.header("idempotency-key");
  const headers: Record<string, string> = {
    ...JSON_TYPE,
    "request-id": requestId,
    "stripe-version": API_VERSION,
    ...timeHeader(c, engine.state.now),
    // An SDK that repeats a request which is not implemented only delays the error.
    ...((c.req.method === "POST" || status === 501) && { "stripe-should-retry": "false" }),
  };
  if (c.req.method === "POST") {
    if (key) headers["idempotency-key"] = key;
    headers["original-request"] = requestId;
    if (replayed) headers["idempotent-replayed"] = "true";
  }
  return new Response(body, { status, headers });
}
