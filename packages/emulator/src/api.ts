/** What every API request goes through: key, faults, idempotency, parameters, expansion, and Stripe's error bodies. */
import { expand as expandObject, notExpandable } from "./expand.ts";
import { isExpandable } from "./core/expandable.ts";
import { Hono, type Context } from "hono";
import type { z } from "zod";
import { problemsOfAnswer } from "./core/check-answer.ts";
import { ApiError } from "./core/errors.ts";

import { takeFault, type Fault } from "./core/faults.ts";
import { parseForm, type FormValue } from "./core/form.ts";
import { inFlight, storeAnswer, storedAnswer } from "./core/idempotency.ts";
import { isOperation, sortParams, type UsedParams } from "./core/known-params.ts";
import { parseParams } from "./core/params.ts";
import { close, takeBack } from "./core/own.ts";
import { noteRequest } from "./core/requests.ts";
import { usedParamsOf } from "./core/used-params.ts";
import { newToken } from "./core/ids.ts";
import { API_VERSION, find, focus, lookUp, type World } from "./core/world.ts";
import type { Engine } from "./engine.ts";

/** `id` and `child` are the path's; absent ones are empty. */
type Handler<Schema extends z.ZodType> = (world: World, params: z.output<Schema>, id: string, child: string) => object;
type AddRoute = <Schema extends z.ZodType>(path: string, schema: Schema, handler: Handler<Schema>) => void;

export interface Api {
  get: AddRoute;
  post: AddRoute;
  delete: AddRoute;
  /** Without a secret key, as the checkout page calls it. */
  publicGet: AddRoute;
  publicPost: AddRoute;
  app: Hono;
  /** Every route with what it uses, for the report on fidelity. */
  routes: { method: Method; path: string; uses: UsedParams }[];
}

type Method = "GET" | "POST" | "DELETE";

export interface ApiOptions {
  /** Whether each answer is compared with the SDK's types; one that differs is a 500 that says where. */
  checkAnswers: boolean;
  /** Told of each parameter that was taken and ignored, once per parameter. */
  onIgnored: (operation: string, param: string) => void;
}

interface Answer {
  status: number;
  body: string;
  requestId: string;
  replayed: boolean;
}

interface Route {
  method: Method;
  path: string;
  access: "secret" | "public";
  act: (world: World, params: Record<string, FormValue>, id: string, child: string) => object;
}

const MAX_BODY_BYTES = 1_048_576;
const KEY = /^(?:sk|rk|pk)_test_(\w+)$/;

export function createApi(engine: Engine, options: ApiOptions): Api {
  const app = new Hono();
  const routes: Api["routes"] = [];
  const inProgress = new Set<string>();
  const add =
    (method: Method, access: Route["access"]): AddRoute =>
    (path, schema, handler) => {
      const uses = usedParamsOf(schema) ?? new Map();
      routes.push({ method, path, uses });
      const act: Route["act"] = (world, params, id, child) => {
        const { used, ignored } = sortParams(method, path, params, uses);
        for (const param of ignored) noteIgnored(world, options, `${method} ${path}`, param);
        const parsed = parseParams(schema, used);
        const { expand: properties = [] } = used as { expand?: string[] };
        const strange = properties.find((property) => !isExpandable(method, path, property));
        if (strange !== undefined) throw notExpandable(strange);
        const result = expandObject(world, handler(world, parsed, id, child), properties);
        if (options.checkAnswers) checkAnswer(method, path, result);
        return result;
      };
      app.on(method, path, (c) => respond(engine, c, { method, path, access, act }, inProgress));
    };
  return {
    app,
    routes,
    get: add("GET", "secret"),
    post: add("POST", "secret"),
    delete: add("DELETE", "secret"),
    publicGet: add("GET", "public"),
    publicPost: add("POST", "public"),
  };
}

/** Everything else that Stripe has is refused loudly, never answered with an invention. */
export function refuseTheRest({ app }: Api, engine: Engine): void {
  app.all("/v1/*", (c) => {
    const act = (): object => {
      throw isOperation(c.req.method, c.req.path)
        ? new ApiError(`This emulator does not have ${c.req.method} ${c.req.path}.`, { status: 501, type: "api_error" })
        : unrecognized(c.req.method, c.req.path);
    };
    return respond(engine, c, { method: c.req.method as Method, path: c.req.path, access: "secret", act }, new Set());
  });
}

/** Nobody has such a URL. */
export function unrecognized(method: string, path: string): ApiError {
  return new ApiError(
    `Unrecognized request URL (${method}: ${path}). If you are trying to list objects, remove the trailing slash. If you are trying to retrieve an object, make sure you passed a valid (non-empty) identifier in your code. Please see https://stripe.com/docs or we can help at https://support.stripe.com/.`,
    { status: 404 },
  );
}

function noteIgnored({ account }: World, { onIgnored }: ApiOptions, operation: string, param: string): void {
  const name = `${operation} ${param.replaceAll(/\[\d+\]/g, "[]")}`;
  const count = account.ignored.get(name) ?? 0;
  account.ignored.set(name, count + 1);
  if (count === 0) onIgnored(operation, param);
}

function checkAnswer(method: string, path: string, result: object): void {
  const problems = problemsOfAnswer(method, path, result);
  if (problems.length > 0)
    throw new Error(`the answer to ${method} ${path} is not as the SDK's types say: ${problems.join("; ")}`);
}

async function respond(engine: Engine, c: Context, route: Route, inProgress: Set<string>): Promise<Response> {
  engine.catchUp();
  let response: Response | null = null;
  try {
    response = await respondOnce(engine, c, route, inProgress);
    return response;
  } finally {
    noteRequest(engine.requests, {
      at: engine.state.now,
      method: c.req.method,
      path: c.req.path,
      status: response?.status ?? null,
      requestId: response?.headers.get("request-id") ?? null,
      idempotencyKey: c.req.header("idempotency-key") ?? null,
      replayed: response?.headers.has("idempotent-replayed") ?? false,
    });
  }
}

async function respondOnce(engine: Engine, c: Context, route: Route, inProgress: Set<string>): Promise<Response> {
  const text = await readText(c);
  const key = c.req.method === "POST" ? (c.req.header("idempotency-key") ?? null) : null;
  const request = {
    method: c.req.method,
    path: c.req.path,
    text: `${c.req.url} ${typeof text === "string" ? text : ""}`,
    key,
  };
  const fault = takeFault(engine.state, request);
  if (key === null || fault === null) return work(engine, c, route, { text, key, fault });
  if (inProgress.has(key)) return toResponse(c, errorAnswer(engine, inFlight(key)));
  inProgress.add(key);
  try {
    return await work(engine, c, route, { text, key, fault });
  } finally {
    inProgress.delete(key);
  }
}

interface Work {
  text: string | ApiError;
  key: string | null;
  fault: Fault | null;
}

async function work(engine: Engine, c: Context, route: Route, { text, key, fault }: Work): Promise<Response> {
  const failing = fault !== null && fault.answer !== "stale" && fault.answer !== "decline" ? fault : null;
  if (failing?.when === "before") return failWith(engine, failing);
  const answer = answerRequest(engine, c, route, { text, key, fault });
  if (failing) return failWith(engine, failing, answer);
  if (c.req.method !== "GET") void engine.deliverDue();
  return toResponse(c, answer);
}

function answerRequest(engine: Engine, c: Context, route: Route, { text, key, fault }: Work): Answer {
  let world: World | null = null;
  const requestId = newToken(engine, "req", 14);
  const request = { method: c.req.method, path: c.req.path, params: typeof text === "string" ? text : "" };
  try {
    world = route.access === "secret" ? engine.worldOf(accountOfKey(c)) : publicWorld(engine, c.req.param("id") ?? "");
    checkVersion(c);
    if (text instanceof ApiError) throw text;
    const stored = key === null ? null : storedAnswer(world, key, request);
    if (stored) return { ...stored, replayed: true };
    world.request = { id: requestId, idempotencyKey: key };
    if (request.method === "GET") world.own = null;
    const params = readParams(c, text);
    focusOn(world, c.req.param("id") ?? "", params);
    world.staleSeconds = fault?.answer === "stale" ? fault.seconds : 0;
    world.declineWith = fault?.answer === "decline" ? fault.code : null;
    const body = JSON.stringify(route.act(world, params, c.req.param("id") ?? "", c.req.param("child") ?? ""));
    const answer = { status: 200, body, requestId };
    if (key !== null) storeAnswer(world, key, { ...request, ...answer, storedAt: engine.state.now });
    return { ...answer, replayed: false };
  } catch (error) {
    if (world !== null && !(error instanceof ApiError && error.stands)) takeBack(world);
    const answer = { ...errorAnswer(engine, error), requestId };
    // What was refused before it began is not kept; a decline or a 500 is.
    if (world !== null && key !== null && (answer.status === 402 || answer.status >= 500))
      storeAnswer(world, key, { ...request, ...answer, storedAt: engine.state.now });
    return answer;
  } finally {
    if (world !== null) close(world);
    if (c.req.method !== "GET") engine.changed();
  }
}

/** Things happen in the time of the test clock that the object, or the customer it is for, lives on. */
function focusOn(world: World, id: string, params: Record<string, FormValue>): void {
  const clock = params["test_clock"];
  if (typeof clock === "string") return focus(world, { test_clock: clock });
  const named = ["customer", "subscription", "invoice", "payment_intent", "charge", "from_subscription"]
    .map((name) => params[name])
    .find((value) => typeof value === "string");
  focus(
    world,
    lookUp(world, id) ?? (typeof named === "string" ? (find(world, "customer", named) ?? lookUp(world, named)) : null),
  );
}

function errorAnswer(engine: Engine, error: unknown): Answer {
  const known =
    error instanceof ApiError
      ? error
      : new ApiError(
          `The emulator failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
          { status: 500, type: "api_error" },
        );
  const requestId = newToken(engine, "req", 14);
  return { status: known.status, body: JSON.stringify(known.toBody(requestId)), requestId, replayed: false };
}

function publicWorld(engine: Engine, id: string): World {
  const world = engine.worldWith(id);
  if (!world)
    throw new ApiError(`No such payment page: '${id}'`, { status: 404, code: "resource_missing", param: "id" });
  return world;
}

/** Keys separate accounts: whatever follows `sk_test_` names one. */
function accountOfKey(c: Context): string {
  const header = c.req.header("authorization") ?? "";
  const bearer = /^Bearer (.+)$/.exec(header)?.[1];
  const basic = /^Basic (.+)$/.exec(header)?.[1];
  const key = bearer ?? (basic && Buffer.from(basic, "base64").toString("utf8").split(":")[0]);
  if (!key)
    throw new ApiError(
      "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication for details, or we can help at https://support.stripe.com/.",
      { status: 401 },
    );
  const account = KEY.exec(key)?.[1];
  if (account === undefined) {
    const shown = `${key.slice(0, 8)}${"*".repeat(8)}${key.slice(-4)}`;
    throw new ApiError(`Invalid API Key provided: ${shown}`, { status: 401 });
  }
  if (key.startsWith("pk_"))
    throw new ApiError(
      "This API call cannot be made with a publishable API key. Please use a secret API key. You can find a list of your API keys at https://dashboard.stripe.com/account/apikeys.",
      { status: 401, code: "secret_key_required" },
    );
  return account;
}

const VERSION = /^\d{4}-\d{2}-\d{2}(\.[a-z]+)?$/;

/** Whichever version is asked for, the answer is in the pinned one. */
function checkVersion(c: Context): void {
  const version = c.req.header("stripe-version");
  if (version !== undefined && !VERSION.test(version))
    throw new ApiError(`Invalid Stripe API version: ${version.slice(0, 100)}`);
}

/** The error where it is longer than Stripe takes, or no text. */
async function readText(c: Context): Promise<string | ApiError> {
  if (c.req.method === "GET") return "";
  if (Number(c.req.header("content-length") ?? 0) > MAX_BODY_BYTES) return tooLarge();
  const bytes = await c.req.arrayBuffer();
  if (bytes.byteLength > MAX_BODY_BYTES) return tooLarge();
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new ApiError("The request body is not valid UTF-8.");
  }
}

function tooLarge(): ApiError {
  return new ApiError("The request body is too large.", { status: 413 });
}

function readParams(c: Context, text: string): Record<string, FormValue> {
  const { url } = c.req;
  const question = url.indexOf("?");
  const query = question < 0 ? {} : parseForm(url.slice(question + 1));
  if (text === "") return query;
  if (!(c.req.header("content-type") ?? "").startsWith("application/x-www-form-urlencoded"))
    throw new ApiError(
      "Invalid request (check that your POST content type is application/x-www-form-urlencoded). If you have any questions, we can help at https://support.stripe.com/.",
    );
  return { ...query, ...parseForm(text) };
}

const LOCK_TIMEOUT =
  "This object cannot be accessed right now because another API request or Stripe process is currently accessing it. If you see this error intermittently, retry the request. If you see this error frequently and are making multiple concurrent requests to a single object, make your requests serially or at a lower rate.";
const NEVER_MS = 2_147_483_647;

async function failWith(engine: Engine, { answer }: Fault, made?: Answer): Promise<Response> {
  // What a client's fetch does when the connection breaks.
  if (answer === "reset") throw new ConnectionReset();
  if (answer === "timeout") await new Promise((resolve) => setTimeout(resolve, NEVER_MS).unref());
  if (answer === "cut")
    return new Response((made?.body ?? '{"object": "cu').slice(0, 12), { status: 200, headers: JSON_TYPE });
  const status = answer === "lock_timeout" ? 429 : Number(answer);
  const error =
    answer === "lock_timeout"
      ? new ApiError(LOCK_TIMEOUT, { status, code: "lock_timeout" })
      : new ApiError(status === 429 ? "Request rate limit exceeded." : "This failure was asked for.", {
          status,
          type: status >= 500 ? "api_error" : "invalid_request_error",
          ...(status === 429 && { code: "rate_limit" }),
        });
  const requestId = newToken(engine, "req", 14);
  const headers = new Headers({ ...JSON_TYPE, "request-id": requestId });
  if (status === 429) {
    headers.set("stripe-should-retry", "true");
    headers.set("retry-after", "1");
    headers.set("stripe-rate-limited-reason", answer === "lock_timeout" ? "resource-specific" : "global-rate");
  }
  return new Response(JSON.stringify(error.toBody(requestId)), { status, headers });
}

const JSON_TYPE = { "content-type": "application/json" };

/** Breaks the connection in place of an answer. */
export class ConnectionReset extends TypeError {
  override readonly name = "ConnectionReset";
  constructor() {
    super("fetch failed: the connection was reset");
  }
}

function toResponse(c: Context, { status, body, requestId, replayed }: Answer): Response {
  const key = c.req.header("idempotency-key");
  const headers: Record<string, string> = {
    ...JSON_TYPE,
    "request-id": requestId,
    "stripe-version": API_VERSION,
  };
  if (c.req.method === "POST") {
    if (key) headers["idempotency-key"] = key;
    headers["original-request"] = requestId;
    headers["stripe-should-retry"] = "false";
    if (replayed) headers["idempotent-replayed"] = "true";
  }
  return new Response(body, { status, headers });
}
