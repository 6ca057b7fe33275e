/** The public API of the emulator, a local Stripe for subscription billing. */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { serve } from "@hono/node-server";
import { type Context as HttpContext, Hono } from "hono";
import { type Api, createApi, rejectUnimplemented } from "./api.ts";
import { audit } from "./audit.ts";
import { controlRoutes } from "./control.ts";
import type { Delivery } from "./core/records.ts";
import { deserialize, fork, serialize } from "./core/snapshots.ts";
import { finish } from "./core/events.ts";
import { parseTaxSettings, type TaxSettings } from "./core/tax-settings.ts";
import { type AfterRetries, type Context, isConnected, newState, type State } from "./core/state.ts";
import { createEngine, type Engine, type StopAt } from "./engine.ts";
import { ConnectionReset } from "./fault-response.ts";
import { refuseForeignRequests } from "./foreign-requests.ts";
import { addLocalPageHeaders, clientRequests } from "./local-pages.ts";
import type { StripeEvent } from "./objects/event.ts";
import type { EndpointInput } from "./objects/webhook-endpoint.ts";
import { addPageHeaders } from "./page-headers.ts";
import { PAGES } from "./pages/index.ts";
import { STRIPE_JS_PATH, stripeJsRoute } from "./pages/stripe-js.ts";
import { STYLE } from "./pages/style.ts";
import { notFound, refuseRequest } from "./refusals.ts";
import { RESOURCES } from "./resources/index.ts";
import { addEndpoint, replaceEndpoints } from "./resources/webhook-endpoints.ts";
import { createExpectations, type Expectations } from "./testing/expectations.ts";
import { type Fixture, type LoadedBody, loadFixture, type LoadOptions } from "./testing/load.ts";

export interface EmulatorOptions {
  /**
   * The base URL of the emulator's pages, or a function that returns the current base URL. Default http://127.0.0.1:12111.
   */
  baseUrl?: string | (() => string) | undefined;
  /**
   * Host names that requests may name besides loopback names and the name in `baseUrl`, such as "emulator" or "emulator:12111"
   * in a container. Default: none.
   */
  allowedHosts?: readonly string[] | undefined;
  /** Webhook endpoints that every account of the emulator has. Default: none. */
  webhooks?: readonly EndpointInput[] | undefined;
  /** The seed of all random IDs. Default 1. */
  seed?: number | undefined;
  /**
   * If the clock has the value "running", virtual time follows wall time. If the clock has the value "still", only `advance`
   * moves virtual time. Default "still".
   */
  clock?: "running" | "still" | undefined;
  /** The effect on a subscription when its last payment retry fails. Default "cancel". */
  afterRetries?: AfterRetries | undefined;
  /** The name of the seller, which the pages show to customers. Default "Test seller". */
  sellerName?: string | undefined;
  /** The settings of Stripe Tax: the seller's country, and the table of rates. Default: a seller in the US that collects no tax. */
  tax?: TaxSettings | undefined;
  /** The virtual time at the start, in epoch milliseconds. Default: wall time. */
  startAt?: number | undefined;
  /** The function that sends webhook deliveries. By default, the global `fetch` sends webhook deliveries. */
  fetch?: ((request: Request) => Promise<Response>) | undefined;
  /** Returns wall time in milliseconds, for signatures and a running clock. Default `Date.now`. */
  wallNow?: (() => number) | undefined;
  /** The path of a file that keeps the state across restarts. Default: the state is kept in memory only. */
  stateFile?: string | undefined;
  /**
   * Set true to check that the emulator itself works correctly. With `checkResponses`, the emulator returns a 500 error if a
   * response differs from the SDK's types, or if code changes a shared row in place. Default false.
   */
  checkResponses?: boolean | undefined;
  /**
   * Set true to refuse cosmetic parameters that the emulator ignores, and API versions other than the emulator's version.
   * The emulator always refuses unused parameters that are not cosmetic. Default false.
   */
  strict?: boolean | undefined;
  /**
   * A callback function: the emulator calls it once for each parameter that it ignores, and once for each other API version.
   * By default, the emulator prints the message with `console.warn`.
   */
  onWarning?: ((message: string) => void) | undefined;
}

export interface Emulator extends Expectations {
  /** Handles a request to the API, a page or a control route, without a network connection. */
  fetch: (request: Request) => Promise<Response>;
  /** Returns the virtual time in epoch milliseconds. */
  now(): number;
  /**
   * Advances virtual time and runs all due timers and deliveries. Returns the new time in epoch milliseconds. With the option
   * `stopAt`, virtual time stops early: before or after the timer that emits the given event.
   */
  advance(seconds: number, stopAt?: StopAt): Promise<number>;
  /**
   * Plays a fixture in the format of the Stripe CLI, from an object or a JSON file, and sends all due deliveries. Returns the
   * bodies of the responses by the names of the requests. Rejects if a request fails, unless its `expected_error_type` is the
   * type of the error.
   * @see https://docs.stripe.com/cli/fixtures
   */
  load<const Name extends string = string>(
    fixture: string | Fixture<Name>,
    options?: LoadOptions,
  ): Promise<Record<Name, LoadedBody>>;
  /** Waits until every due delivery has been attempted. */
  drain(): Promise<void>;
  /**
   * Returns the virtual time at which the next timer or delivery is due, in epoch milliseconds. Returns null if nothing is
   * planned. Test clocks do not count.
   */
  nextDueAt(): number | null;
  /** Returns all deliveries with their attempts, oldest first. */
  deliveries(): readonly Readonly<Delivery>[];
  /** Returns the events of the last 30 days, oldest first. */
  events(): readonly Readonly<StripeEvent>[];
  /**
   * Checks sums, charges, balances and status changes of all accounts. Returns one line per problem that the audit
   * finds.
   */
  audit(): string[];
  /** Returns a copy of the emulator's whole state. */
  snapshot(): State;
  /** Replaces the emulator's state with a snapshot. */
  restore(snapshot: State): void;
  /** Returns an independent emulator that continues from the current state. */
  fork(options?: Pick<EmulatorOptions, "fetch">): Emulator;
}

export type { AfterRetries, Fixture, LoadedBody, LoadOptions, State, StopAt, TaxSettings };
export type { ExpectedEvent, ExpectedWebhook, Where } from "./testing/expectations.ts";
export { VERSION } from "./version.ts";

export const DEFAULT_PORT = 12_111;
const DEFAULT_BASE_URL = `http://127.0.0.1:${DEFAULT_PORT}`;

/**
 * Creates an emulator that runs in process, without a port.
 *
 * @example
 * const emulator = createEmulator({ webhooks: [{ url: "http://app.test/webhook", secret: "whsec_local_secret" }] });
 * await emulator.advance(31 * 86_400);
 */
export function createEmulator(options: EmulatorOptions = {}): Emulator {
  return startEmulator(options).emulator;
}

/** Continues the state of the file with the webhook endpoints of the options, or begins with an empty state. */
function startEmulator(options: EmulatorOptions): BuiltEmulator {
  const stored = loadState(options.stateFile);
  if (!stored) return buildEmulator(options, initialState(options));
  const built = buildEmulator(options, stored);
  for (const context of built.contexts().filter(({ account }) => !isConnected(account))) {
    replaceEndpoints(context, options.webhooks ?? []);
    finish(context);
  }
  return built;
}

function initialState(options: EmulatorOptions): State {
  const { seed = 1, startAt, wallNow = Date.now, afterRetries = "cancel", sellerName, tax } = options;
  const state = newState(seed, Math.floor((startAt ?? wallNow()) / 1000));
  return { ...state, afterRetries, tax: parseTaxSettings(tax), ...(sellerName !== undefined && { sellerName }) };
}

/** The origin of a request: the function `fetch` of this process, or the emulator's port. */
interface Bindings {
  fromPort?: boolean;
}

/** Returns whether a request is an API request of this process. Without a port, SDKs send requests to api.stripe.com. */
function isOwnApiRequest(c: HttpContext): boolean {
  return (c.env as Bindings | undefined)?.fromPort !== true && /^\/v[12]\//.test(c.req.path);
}

const API_URL = /^[a-z]+:\/\/[^/]+\/v[12]\//;

/** Returns whether a request is an API request that no web page has sent. Browsers send one of the two headers. */
function isApiRequestOfProgram({ url, headers }: Request): boolean {
  return API_URL.test(url) && !headers.has("origin") && !headers.has("sec-fetch-site");
}

function baseUrlOf({ baseUrl = DEFAULT_BASE_URL }: EmulatorOptions): string {
  return typeof baseUrl === "string" ? baseUrl : baseUrl();
}

function toMilliseconds(seconds: number | null): number | null {
  return seconds === null ? null : seconds * 1000;
}

interface BuiltEmulator {
  emulator: Emulator;
  /** Handles a request that arrived at the emulator's port. */
  fetchFromPort: (request: Request) => Promise<Response>;
  save: () => void;
  /** Ends the streams of the viewer's open pages. */
  endStreams: () => void;
  contexts: () => Context[];
}

function buildEmulator(options: EmulatorOptions, state: State): BuiltEmulator {
  const wallNow = options.wallNow ?? Date.now;
  const file = createStateFile(options.stateFile, () => engine.state);
  const engine = createEngine({
    state,
    baseUrl: () => baseUrlOf(options),
    network: { fetch: options.fetch ?? ((request) => fetch(request)), wallNow },
    clock: options.clock ?? "still",
    freezeRows: options.checkResponses ?? false,
    onAccount: (context) => {
      // At Stripe, an endpoint receives the events of connected accounts only if it was created for them.
      if (isConnected(context.account)) return;
      for (const endpoint of options.webhooks ?? []) addEndpoint(context, endpoint);
    },
    onChange: file.changed,
  });
  const { app, api } = createApp(engine, options);
  const emulator: Emulator = {
    // API requests of this process skip the checks that protect the emulator's port. That saves a tenth of their time.
    fetch: async (request) => (isApiRequestOfProgram(request) ? api.app.fetch(request) : app.fetch(request)),
    now: () => engine.now() * 1000,
    advance: async (seconds, stopAt) => (await engine.advance({ seconds, stopAt })) * 1000,
    async load(fixture, given = {}) {
      const bodies = await loadFixture(emulator.fetch, baseUrlOf(options), fixture, given);
      await engine.deliverDue();
      return bodies;
    },
    drain: engine.deliverDue,
    ...createExpectations(engine),
    nextDueAt: () => toMilliseconds(engine.nextDueAt()),
    events: () => [...engine.state.accounts.values()].flatMap((account) => [...account.tables.event.values()]),
    deliveries: () => [...engine.state.accounts.values()].flatMap((account) => [...account.deliveries.values()]),
    audit: () => audit(engine.state),
    snapshot: () => fork(engine.state),
    restore: (snapshot) => engine.replaceState(fork(snapshot)),
    fork: (changes = {}) =>
      buildEmulator({ ...options, ...changes, stateFile: undefined }, fork(engine.state)).emulator,
  };
  const fromPort: Bindings = { fromPort: true };
  const fetchFromPort: BuiltEmulator["fetchFromPort"] = async (request) => app.fetch(request, fromPort);
  return { emulator, fetchFromPort, save: file.save, endStreams: engine.feed.close, contexts: engine.contexts };
}

/** Creates the app of all routes: the API, the control routes and the pages. */
function createApp(engine: Engine, options: EmulatorOptions): { app: Hono; api: Api } {
  const app = new Hono();
  const api = createApi(engine, {
    checkResponses: options.checkResponses ?? false,
    strict: options.strict ?? false,
    onWarning: options.onWarning ?? ((message) => console.warn(`Stripe emulator: ${message}`)),
  });
  const isClientRequest = clientRequests(api);
  app.use(
    "*",
    refuseForeignRequests({
      ownUrl: () => baseUrlOf(options),
      allowedHosts: options.allowedHosts,
      remedy: ", or start the emulator with --allowed-host",
      allowsAnyHost: isOwnApiRequest,
      allowsAnySite: (c) => c.req.method === "GET" && c.req.path === STRIPE_JS_PATH,
      allowsLocalPages: isClientRequest,
      refuse: refuseRequest(() => baseUrlOf(options)),
    }),
  );
  app.use("/v1/*", addLocalPageHeaders(isClientRequest));
  for (const addRoutes of RESOURCES) addRoutes(api);
  rejectUnimplemented(api, engine);
  app.route("/", api.app);
  app.use("*", addPageHeaders);
  app.route(
    "/_emulator",
    controlRoutes(engine, () => initialState(options)),
  );
  app.get("/_emulator/style.css", (c) => c.text(STYLE, 200, { "content-type": "text/css" }));
  stripeJsRoute(app, () => baseUrlOf(options));
  for (const addPage of PAGES) addPage(app, engine);
  app.notFound(notFound);
  for (const one of [app, api.app])
    one.onError((error) => {
      throw error;
    });
  return { app, api };
}

export interface ServedEmulator extends Emulator {
  url: string;
  close(): Promise<void>;
}

/** The interval at which a running clock checks for timers and deliveries that are due. */
const TICK_MS = 500;

/**
 * Serves an emulator on a port; port 0 takes a free port. By default, the emulator's clock runs. Throws if `environment` is
 * "production".
 */
export async function serveEmulator(
  options: EmulatorOptions & { port: number; host?: string | undefined; environment?: string | undefined },
): Promise<ServedEmulator> {
  if (options.environment === "production")
    throw startError(
      "production",
      "The emulator does not start with NODE_ENV=production. Unset NODE_ENV, or use Stripe itself.",
    );
  const host = options.host ?? "127.0.0.1";
  let { port } = options;
  const baseUrl = options.baseUrl ?? (() => `http://${hostOfUrl(host)}:${port}`);
  const { emulator, fetchFromPort, save, endStreams } = startEmulator({ clock: "running", ...options, baseUrl });
  const server = serve({ fetch: toHttpHandler(fetchFromPort), port, hostname: host });
  await new Promise<void>((resolve, reject) => {
    server.once("listening", resolve);
    server.once("error", (error: NodeJS.ErrnoException) =>
      reject(
        startError(
          error.code ?? "listen",
          `The emulator cannot listen on ${host}:${options.port} (${error.message}). Set another port with EMULATOR_PORT or --port, or another address with --host.`,
        ),
      ),
    );
  });
  port = (server.address() as AddressInfo).port;
  const tick = setInterval(() => {
    emulator.now();
    void emulator.drain();
  }, TICK_MS);
  return {
    ...emulator,
    url: baseUrlOf({ baseUrl }),
    close: () =>
      new Promise((resolve) => {
        clearInterval(tick);
        endStreams();
        server.close(() => {
          save();
          resolve();
        });
        if ("closeAllConnections" in server) server.closeAllConnections();
      }),
  };
}

/** Returns the host of the emulator's URL. Browsers can't open an address that means all addresses of the machine. */
function hostOfUrl(address: string): string {
  if (address === "0.0.0.0" || address === "::") return "127.0.0.1";
  return address.includes(":") ? `[${address}]` : address;
}

/** Returns an error whose cause the user can fix. An error that has a `code` is not a bug in the emulator. */
function startError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

/**
 * Returns an HTTP handler that serves the emulator. If a fault breaks the connection, the handler aborts the response
 * body.
 */
function toHttpHandler(handle: BuiltEmulator["fetchFromPort"]): (request: Request) => Promise<Response> {
  return async (request) => {
    try {
      return await handle(request);
    } catch (error) {
      if (!(error instanceof ConnectionReset)) throw error;
      return new Response(new ReadableStream({ start: (controller) => controller.error(error) }));
    }
  };
}

function loadState(file: string | undefined): State | null {
  if (file === undefined || !existsSync(file)) return null;
  try {
    const state = deserialize(readFileSync(file, "utf8"));
    if (state) return state;
  } catch (cause) {
    throw startError(
      "state",
      `The state file ${file} cannot be read (${String(cause)}). Delete the file to start with an empty state.`,
    );
  }
  throw startError(
    "state",
    `The file ${file} is not a state of this emulator. Delete the file to start with an empty state.`,
  );
}

/** The delay between a change of the state and the next write of the state file. */
const SAVE_AFTER_MS = 100;

/**
 * Saves the state to a file after changes. Writes a new file and renames it, so that a crash leaves either the old or
 * the new state.
 */
function createStateFile(file: string | undefined, state: () => State): { changed: () => void; save: () => void } {
  if (file === undefined) return { changed: () => {}, save: () => {} };
  let timer: NodeJS.Timeout | null = null;
  const save = (): void => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    writeFileSync(`${file}.new`, serialize(state()));
    renameSync(`${file}.new`, file);
  };
  return { changed: () => (timer ??= setTimeout(save, SAVE_AFTER_MS)), save };
}
