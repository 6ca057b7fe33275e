/** Sends requests to the app's own routes, as a user would, without a socket. */
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from "node:http";
import { duplexPair, Readable, type Duplex } from "node:stream";
import { TEST_APP_URL } from "./harness/constants.ts";
import type { TestClock } from "./test-clock.ts";
import type { Timeline } from "./timeline.ts";

type FetchFunction = (request: Request) => Response | Promise<Response>;
/** A function of a Next route. Its second parameter has the parameters of the path, which the kit does not know. */
type RouteFunction = (request: Request, context: never) => Response | Promise<Response>;
type Methods = Partial<Record<"GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS", RouteFunction>>;

/**
 * The app's routes, in one of these forms:
 * - a function `(request: Request) => Response`
 * - an object with such a function `fetch`, for example a Hono app
 * - a module of a Next route: an object with functions such as `GET` and `POST`
 * - a function `(request, response)` of node:http, for example an Express app. Pass a function of the fetch API with more than one
 *   parameter as `{ fetch: handler }`.
 * - an object with such a function `routing`, for example a Fastify app after `await app.ready()`
 */
export type AppHandler =
  | FetchFunction
  | { fetch: FetchFunction }
  | Methods
  | RequestListener
  | { routing: RequestListener };

/**
 * Sends a request to the app as a user, or without a sign-in if `user` is null. The path may be a whole URL. After the request,
 * each due webhook is delivered and all due work is processed.
 */
export type AppClient = (user: string | null, path: string, init?: RequestInit) => Promise<Response>;

/** Returns a listener of node:http that passes requests to the app; null if the app is made for the fetch API. */
export function toNodeListener(handler: AppHandler): RequestListener | null {
  if (typeof handler === "function") return handler.length < 2 ? null : (handler as RequestListener);
  return "routing" in handler ? handler.routing : null;
}

/** Returns a function that passes a request to the app. */
export function toFetch(handler: AppHandler): FetchFunction {
  const listener = toNodeListener(handler);
  if (listener) return fromNode(listener);
  if (typeof handler === "function") return handler as FetchFunction;
  return "fetch" in handler
    ? (request) => handler.fetch(request)
    : (request) => callMethod(handler as Methods, request);
}

/** Calls a function of a Next route. As in Next, GET also serves HEAD, and OPTIONS lists the methods. */
async function callMethod(methods: Methods, request: Request): Promise<Response> {
  const call = methods[request.method as keyof Methods];
  if (call) return (call as (given: Request, context: object) => Promise<Response>)(request, NO_PARAMETERS);
  const allow = Object.keys(methods).join(", ");
  if (request.method === "OPTIONS") return new Response(null, { status: 204, headers: { allow } });
  if (request.method !== "HEAD" || !methods.GET) return new Response(null, { status: 405, headers: { allow } });
  const { status, headers } = await callMethod({ GET: methods.GET }, new Request(request, { method: "GET" }));
  return new Response(null, { status, headers });
}

const NO_PARAMETERS = { params: Promise.resolve({}) };

/** Connects a client and a server of node:http with streams in memory. */
function fromNode(listener: RequestListener): FetchFunction {
  return async (request) => {
    const { promise: failed, reject: fail } = Promise.withResolvers<never>();
    const server = createServer((received, response) => void runListener(listener, received, response).catch(fail));
    const [near, far] = duplexPair().map(toSocket) as [Duplex, Duplex];
    server.emit("connection", far);
    const body = Buffer.from(await request.arrayBuffer());
    const { pathname, search, host } = new URL(request.url);
    const headers = {
      host,
      connection: "close",
      ...Object.fromEntries(request.headers),
      "content-length": body.length,
    };
    const sent = httpRequest({
      createConnection: () => near,
      method: request.method,
      path: pathname + search,
      headers,
    });
    const abort = (): void => fail(request.signal.reason);
    if (request.signal.aborted) abort();
    else request.signal.addEventListener("abort", abort, { once: true });
    const answered = new Promise<Response>((resolve, reject) => {
      sent.once("error", reject);
      sent.once("response", (received) => resolve(toResponse(received, request.method)));
      sent.end(body);
    });
    return Promise.race([answered, failed]).catch((error: unknown) => {
      sent.on("error", () => {}).destroy();
      throw error;
    });
  };
}

/** Calls the app's listener. Throws what the listener throws, also later. */
async function runListener(
  listener: RequestListener,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const returned: unknown = await (listener as (...given: object[]) => unknown)(request, response);
  if (returned instanceof Response)
    throw new TypeError("The handler returned a Response. Pass a function of the fetch API as { fetch: handler }.");
}

/** Adds the methods and the address that servers expect of a socket. */
function toSocket(stream: Duplex): Duplex {
  const methods = ["setTimeout", "setKeepAlive", "setNoDelay", "ref", "unref"];
  const stubs = Object.fromEntries(methods.map((name) => [name, () => stream]));
  const address = { address: "127.0.0.1", family: "IPv4", port: 80 };
  return Object.assign(stream, stubs, { remoteAddress: address.address, remotePort: 80, address: () => address });
}

const WITHOUT_BODY = new Set([204, 205, 304]);

function toResponse(received: IncomingMessage, method: string): Response {
  const { statusCode: status = 500, headersDistinct } = received;
  const headers = Object.entries(headersDistinct).flatMap(([name, values = []]) =>
    values.map((value): [string, string] => [name, value]),
  );
  const isEmpty = method === "HEAD" || WITHOUT_BODY.has(status);
  if (isEmpty) received.resume();
  return new Response(isEmpty ? null : (Readable.toWeb(received) as ReadableStream), { status, headers });
}

export interface AppClientOptions {
  handler: AppHandler;
  /** Returns the headers that sign a user in. */
  signIn: (user: string) => Record<string, string> | Promise<Record<string, string>>;
  clock: Pick<TestClock, "settle">;
  timeline: Pick<Timeline, "add">;
}

const SAFE: ReadonlySet<string> = new Set(["GET", "HEAD"]);

export function createAppClient({ handler, signIn, clock, timeline }: AppClientOptions): AppClient {
  const fetch = toFetch(handler);
  return async (user, path, init = {}) => {
    const headers = new Headers(user === null ? {} : await signIn(user));
    // As a browser does, on the app's own pages.
    if (!SAFE.has(init.method ?? "GET")) headers.set("origin", TEST_APP_URL);
    for (const [name, value] of new Headers(init.headers)) headers.set(name, value);
    const request = new Request(new URL(path, TEST_APP_URL), { ...init, headers });
    const response = await fetch(request);
    timeline.add(user, "request", `${request.method} ${new URL(request.url).pathname}: ${response.status}`);
    await clock.settle();
    return response;
  };
}
