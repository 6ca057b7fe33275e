/** A local Stripe for subscription billing: the API, its pages, its webhooks and a clock that can be moved. */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { ConnectionReset, createApi, refuseTheRest, unrecognized } from "./api.ts";
import { audit } from "./audit.ts";
import { controlRoutes } from "./control.ts";
import type { Delivery } from "./core/events.ts";
import { deserialize, fork, newState, serialize, type AfterRetries, type State } from "./core/world.ts";
import { createEngine, type StopAt } from "./engine.ts";
import { guard } from "./guard.ts";
import { PAGES } from "./pages/index.ts";
import { STYLE } from "./pages/style.ts";
import { RESOURCES } from "./resources/index.ts";
import { addEndpoint, type EndpointInput } from "./resources/webhook-endpoints.ts";

export interface EmulatorOptions {
  /** Where its pages are reached. Default http://127.0.0.1:12111. */
  baseUrl?: string | undefined;
  /** Where events of every account are delivered. Default nowhere. */
  webhooks?: readonly EndpointInput[] | undefined;
  /** Decides every id. Default 1. */
  seed?: number | undefined;
  /** Whether virtual time goes on by itself. Default "still": it moves only by `advance`. */
  clock?: "running" | "still" | undefined;
  /** What becomes of a subscription whose renewal no try has paid. Default "cancel". */
  afterRetries?: AfterRetries | undefined;
  /** Virtual time at the start, epoch milliseconds. Default: the wall's. */
  startAt?: number | undefined;
  /** The network for deliveries. Default: the global `fetch`. */
  fetch?: ((request: Request) => Promise<Response>) | undefined;
  /** Wall time in milliseconds, for signatures and a running clock. Default `Date.now`. */
  wallNow?: (() => number) | undefined;
  /** A file that keeps the state over restarts. Default: memory only. */
  stateFile?: string | undefined;
  /** Checks the emulator itself: answers 500 where one is not as the SDK's types say, or where a step changes what is not its own. Default false. */
  checkAnswers?: boolean | undefined;
  /** Told once of each parameter that is taken and ignored. Default: nobody. */
  onIgnored?: ((operation: string, param: string) => void) | undefined;
}

export interface Emulator {
  /** The API, the pages and the control routes, with no socket. */
  fetch: (request: Request) => Promise<Response>;
  /** Virtual time, epoch milliseconds. */
  now(): number;
  /**
   * Moves time on and does all due work, deliveries included; answers the new time in epoch milliseconds. With `stopAt`
   * it ends early, before or after the step that tells of an event.
   */
  advance(seconds: number, stopAt?: StopAt): Promise<number>;
  /** Waits until everything due now is delivered. */
  settle(): Promise<void>;
  /** Every delivery with its attempts, oldest first. */
  deliveries(): readonly Readonly<Delivery>[];
  /** Checks the books (sums, charges, balances, transitions): a line for each thing that does not hold. */
  audit(): string[];
  /** Everything the emulator knows; a value of your own. */
  snapshot(): State;
  /** Goes back to a snapshot. */
  restore(snapshot: State): void;
  /** Another emulator that goes on from here, apart from this one. */
  fork(options?: Pick<EmulatorOptions, "fetch">): Emulator;
}

export type { AfterRetries, State, StopAt };
export { VERSION } from "./version.ts";

export const DEFAULT_PORT = 12_111;
const DEFAULT_BASE_URL = `http://127.0.0.1:${DEFAULT_PORT}`;

/**
 * A local Stripe as a fetch function.
 *
 * @example
 * const emulator = createEmulator({ webhooks: [{ url: "http://127.0.0.1:3000/stripe/webhook", secret: "whsec_local_secret" }] });
 * await emulator.advance(31 * 86_400);
 */
export function createEmulator(options: EmulatorOptions = {}): Emulator {
  return build(options, loadState(options.stateFile) ?? firstState(options)).emulator;
}

function firstState({ seed = 1, startAt, wallNow = Date.now, afterRetries = "cancel" }: EmulatorOptions): State {
  return { ...newState(seed, Math.floor((startAt ?? wallNow()) / 1000)), afterRetries };
}

function build(options: EmulatorOptions, state: State): { emulator: Emulator; save: () => void } {
  const wallNow = options.wallNow ?? Date.now;
  const file = keepIn(options.stateFile, () => engine.state);
  const engine = createEngine({
    state,
    baseUrl: options.baseUrl ?? DEFAULT_BASE_URL,
    network: { fetch: options.fetch ?? ((request) => fetch(request)), wallNow },
    clock: options.clock ?? "still",
    checked: options.checkAnswers ?? false,
    onAccount: (world) => {
      for (const endpoint of options.webhooks ?? []) addEndpoint(world, endpoint);
    },
    onChange: file.changed,
  });
  const app = new Hono();
  const api = createApi(engine, {
    checkAnswers: options.checkAnswers ?? false,
    onIgnored: options.onIgnored ?? (() => {}),
  });
  for (const addRoutes of RESOURCES) addRoutes(api);
  refuseTheRest(api, engine);
  app.route("/", api.app);
  app.use("*", guard(options.baseUrl ?? DEFAULT_BASE_URL));
  app.route(
    "/_emulator",
    controlRoutes(engine, () => firstState(options)),
  );
  app.get("/_emulator/style.css", (c) => c.text(STYLE, 200, { "content-type": "text/css" }));
  for (const addPage of PAGES) addPage(app, engine);
  app.notFound((c) => c.json(unrecognized(c.req.method, c.req.path).toBody(""), 404));
  app.onError((error) => {
    throw error;
  });
  const emulator: Emulator = {
    fetch: async (request) => app.fetch(request),
    now: () => engine.now() * 1000,
    advance: async (seconds, stopAt) => (await engine.advance(seconds, stopAt)) * 1000,
    settle: engine.deliverDue,
    deliveries: () => [...engine.state.accounts.values()].flatMap((account) => [...account.deliveries.values()]),
    audit: () => audit(engine.state),
    snapshot: () => fork(engine.state),
    restore: (snapshot) => {
      engine.state = fork(snapshot);
      engine.changed();
    },
    fork: (changes = {}) => build({ ...options, ...changes, stateFile: undefined }, fork(engine.state)).emulator,
  };
  return { emulator, save: file.save };
}

export interface ServedEmulator extends Emulator {
  url: string;
  close(): Promise<void>;
}

/** How often a running clock does what has become due by itself. */
const TICK_MS = 500;

/** Serves the emulator on a port, with a clock that runs. Refuses to start where NODE_ENV says production. */
export async function serveEmulator(
  options: EmulatorOptions & { port: number; host?: string; environment?: string | undefined },
): Promise<ServedEmulator> {
  if (options.environment === "production")
    throw refusal(
      "production",
      "The emulator is no Stripe: it does not start with NODE_ENV=production. Unset it, or use a Stripe key.",
    );
  const host = options.host ?? "127.0.0.1";
  const baseUrl = options.baseUrl ?? `http://${host}:${options.port}`;
  const state = loadState(options.stateFile) ?? firstState(options);
  const { emulator, save } = build({ clock: "running", ...options, baseUrl }, state);
  const server = serve({ fetch: answering(emulator), port: options.port, hostname: host });
  await new Promise<void>((resolve, reject) => {
    server.once("listening", resolve);
    server.once("error", (error: NodeJS.ErrnoException) =>
      reject(
        refusal(
          error.code ?? "listen",
          `The emulator can't listen on ${host}:${options.port} (${error.message}): set another port with EMULATOR_PORT or --port.`,
        ),
      ),
    );
  });
  const tick = setInterval(() => {
    emulator.now();
    void emulator.settle();
  }, TICK_MS);
  return {
    ...emulator,
    url: baseUrl,
    close: () =>
      new Promise((resolve) => {
        clearInterval(tick);
        server.close(() => {
          save();
          resolve();
        });
        if ("closeAllConnections" in server) server.closeAllConnections();
      }),
  };
}

/** An error that a person can mend; its code tells it from a bug. */
function refusal(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

/** A broken connection, which is a rejection in process, is an aborted body over HTTP. */
function answering(emulator: Emulator): (request: Request) => Promise<Response> {
  return async (request) => {
    try {
      return await emulator.fetch(request);
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
    throw refusal(
      "state",
      `The emulator's state in ${file} can't be read (${String(cause)}). Delete the file to start anew.`,
    );
  }
  throw refusal("state", `The emulator's state in ${file} is none that it wrote. Delete the file to start anew.`);
}

/** How long changes are gathered before they are written. */
const SAVE_AFTER_MS = 100;

/** Keeps a state in a file. Written beside and moved into place: a crash leaves the old state or the new one. */
function keepIn(file: string | undefined, state: () => State): { changed: () => void; save: () => void } {
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
