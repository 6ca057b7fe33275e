/** What every API request goes through: key, faults, idempotency, parameters, expansion, and Stripe's error bodies. */
import { Hono, type Context } from "hono";
import type { z } from "zod";
import { ApiError } from "./core/errors.ts";
import { expand as expandObject } from "./core/expand.ts";
import { takeFault, type Fault } from "./core/faults.ts";
import { parseForm, type FormValue } from "./core/form.ts";
import { storeAnswer, storedAnswer } from "./core/idempotency.ts";
import { parseParams } from "./core/params.ts";
import { API_VERSION, newId, type World } from "./core/world.ts";
import type { Engine } from "./engine.ts";

type Handler<Schema extends z.ZodType> = (world: World, params: z.output<Schema>, id: string) => object;
type AddRoute = <Schema extends z.ZodType>(path: string, schema: Schema, handler: Handler<Schema>) => void;

export interface Api {
  get: AddRoute;
  post: AddRoute;
  delete: AddRoute;
  /** Without a secret key, as the checkout page calls it. */
  publicPost: AddRoute;
  app: Hono;
}

interface Answer {
  status: number;
  body: string;
  requestId: string;
  replayed: boolean;
}

const MAX_BODY_BYTES = 1_048_576;
const KEY = /^(sk|rk)_test_\w+$/;

export function createApi(engine: Engine): Api {
  const app = new Hono();
  const route =
    (method: "GET" | "POST" | "DELETE", access: "secret" | "public"): AddRoute =>
    (path, schema, handler) => {
      app.on(method, path, (c) =>
        respond(engine, c, access, (world, params) => {
          const parsed = parseParams(schema, params);
          const result = handler(world, parsed, c.req.param("id") ?? "");
          return expandObject(world, result, (parsed as { expand?: string[] }).expand);
        }),
      );
    };
  const api: Api = {
    app,
    get: route("GET", "secret"),
    post: route("POST", "secret"),
    delete: route("DELETE", "secret"),
    publicPost: route("POST", "public"),
  };
  return api;
}

/** Everything else that Stripe has is refused loudly, never answered with an invention. */
export function refuseTheRest({ app }: Api, engine: Engine): void {
  app.all("/v1/*", (c) =>
    respond(engine, c, "secret", () => {
      throw new ApiError(`This emulator does not have ${c.req.method} ${c.req.path} yet.`, {
        status: 501,
        type: "api_error",
      });
    }),
  );
}

type Act = (world: World, params: Record<string, FormValue>) => object;

async function respond(engine: Engine, c: Context, access: "secret" | "public", act: Act): Promise<Response> {
  const { world } = engine;
  engine.catchUp();
  const text = await readText(c);
  const fault = takeFault(world.state, c.req.method, c.req.path);
  if (fault?.when === "before") return failWith(world, fault);
  const answer = answerRequest(engine, c, access, text, act);
  if (fault) return failWith(world, fault);
  if (c.req.method !== "GET") void engine.deliverDue();
  return toResponse(c, answer);
}

function answerRequest(engine: Engine, c: Context, access: "secret" | "public", text: string | null, act: Act): Answer {
  const { world } = engine;
  const requestId = newId(world, "req", 14);
  const key = c.req.method === "POST" ? (c.req.header("idempotency-key") ?? null) : null;
  const request = { method: c.req.method, path: c.req.path, params: text ?? "" };
  try {
    if (access === "secret") authenticate(c);
    if (text === null) throw new ApiError("The request body is too large.", { status: 413 });
    const stored = key === null ? null : storedAnswer(world, key, request);
    if (stored) return { ...stored, replayed: true };
    world.request = { id: requestId, idempotencyKey: key };
    const body = JSON.stringify(act(world, readParams(c, text)), null, 2);
    const answer = { status: 200, body, requestId };
    if (key !== null) storeAnswer(world, key, { ...request, ...answer, storedAt: world.state.now });
    return { ...answer, replayed: false };
  } catch (error) {
    return failure(engine, error, key, request, requestId);
  } finally {
    if (c.req.method !== "GET") engine.changed();
  }
}

function failure(
  { world }: Engine,
  error: unknown,
  key: string | null,
  request: { method: string; path: string; params: string },
  requestId: string,
): Answer {
  const known =
    error instanceof ApiError
      ? error
      : new ApiError(
          `The emulator failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
          {
            status: 500,
            type: "api_error",
          },
        );
  const answer = { status: known.status, body: JSON.stringify(known.toBody(requestId), null, 2), requestId };
  // What was refused before it began is not kept; a decline or a 500 is.
  if (key !== null && (known.status === 402 || known.status >= 500))
    storeAnswer(world, key, { ...request, ...answer, storedAt: world.state.now });
  return { ...answer, replayed: false };
}

function authenticate(c: Context): void {
  const header = c.req.header("authorization") ?? "";
  const bearer = /^Bearer (.+)$/.exec(header)?.[1];
  const basic = /^Basic (.+)$/.exec(header)?.[1];
  const key = bearer ?? (basic && Buffer.from(basic, "base64").toString("utf8").split(":")[0]);
  if (!key)
    throw new ApiError(
      "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
      { status: 401 },
    );
  if (!KEY.test(key)) {
    const shown = `${key.slice(0, 8)}${"*".repeat(8)}${key.slice(-4)}`;
    throw new ApiError(`Invalid API Key provided: ${shown}`, { status: 401 });
  }
}

/** Null where it is longer than Stripe takes. */
async function readText(c: Context): Promise<string | null> {
  if (c.req.method === "GET") return "";
  const text = await c.req.text();
  return text.length > MAX_BODY_BYTES ? null : text;
}

function readParams(c: Context, text: string): Record<string, FormValue> {
  const query = parseForm(new URL(c.req.url).search.slice(1));
  if (!/json/.test(c.req.header("content-type") ?? "")) return { ...query, ...parseForm(text) };
  try {
    return { ...query, ...(JSON.parse(text || "{}") as Record<string, FormValue>) };
  } catch {
    throw new ApiError("Invalid JSON in the request body.");
  }
}

function failWith(world: World, { answer }: Fault): Response {
  // What a client's fetch does when the connection breaks.
  if (answer === "reset") throw new ConnectionReset();
  const type = answer >= 500 ? "api_error" : "invalid_request_error";
  const requestId = newId(world, "req", 14);
  const error = new ApiError("This failure was asked for.", { status: answer, type });
  return new Response(JSON.stringify(error.toBody(requestId)), {
    status: answer,
    headers: { "content-type": "application/json", "request-id": requestId },
  });
}

/** Breaks the connection in place of an answer. */
export class ConnectionReset extends TypeError {
  override readonly name = "ConnectionReset";
  constructor() {
    super("fetch failed: the connection was reset");
  }
}

function toResponse(c: Context, { status, body, requestId, replayed }: Answer): Response {
  const key = c.req.header("idempotency-key");
  const headers = new Headers({
    "content-type": "application/json",
    "request-id": requestId,
    "stripe-version": c.req.header("stripe-version") ?? API_VERSION,
  });
  if (c.req.method === "POST") {
    if (key) headers.set("idempotency-key", key);
    headers.set("original-request", requestId);
    headers.set("stripe-should-retry", "false");
    if (replayed) headers.set("idempotent-replayed", "true");
  }
  return new Response(body, { status, headers });
}
