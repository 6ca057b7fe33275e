/** A local Stripe for subscription billing: the API, its pages, its webhooks and a clock that can be moved. */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { ConnectionReset, createApi, refuseTheRest } from "./api.ts";
import { controlRoutes } from "./control.ts";
import type { Delivery } from "./core/events.ts";
import { copy, deserialize, newState, serialize, type State, type World } from "./core/world.ts";
import { createEngine } from "./engine.ts";
import { challengePage } from "./pages/challenge.ts";
import { checkoutPage } from "./pages/checkout.ts";
import { invoicePage } from "./pages/invoice.ts";
import { STYLE } from "./pages/layout.ts";
import { portalPage } from "./pages/portal.ts";
import { viewerPage } from "./pages/viewer.ts";
import { checkoutSessionRoutes } from "./resources/checkout-sessions.ts";
import { customerRoutes } from "./resources/customers.ts";
import { eventRoutes } from "./resources/events.ts";
import { invoiceRoutes } from "./resources/invoices.ts";
import { paymentMethodRoutes } from "./resources/payment-methods.ts";
import { portalSessionRoutes } from "./resources/portal-sessions.ts";
import { priceRoutes } from "./resources/prices.ts";
import { productRoutes } from "./resources/products.ts";
import { subscriptionRoutes } from "./resources/subscriptions.ts";
import { addEndpoint, webhookEndpointRoutes, type EndpointInput } from "./resources/webhook-endpoints.ts";

export interface EmulatorOptions {
  /** Where its pages are reached. Default http://127.0.0.1:12111. */
  baseUrl?: string | undefined;
  /** Where events are delivered. Default nowhere. */
  webhooks?: readonly EndpointInput[] | undefined;
  /** Decides every id. Default 1. */
  seed?: number | undefined;
  /** Whether virtual time goes on by itself. Default "still": it moves only by `advance`. */
  clock?: "running" | "still" | undefined;
  /** Virtual time at the start, epoch milliseconds. Default: the wall's. */
  startAt?: number | undefined;
  /** The network for deliveries. Default: the global `fetch`. */
  fetch?: ((request: Request) => Promise<Response>) | undefined;
  /** Wall time in milliseconds, for signatures and a running clock. Default `Date.now`. */
  wallNow?: (() => number) | undefined;
  /** A file that keeps the state over restarts. Default: memory only. */
  stateFile?: string | undefined;
}

export interface Emulator {
  /** The API, the pages and the control routes, with no socket. */
  fetch: (request: Request) => Promise<Response>;
  /** Virtual time, epoch milliseconds. */
  now(): number;
  /** Moves time on and does all due work, deliveries included; answers the new time in epoch milliseconds. */
  advance(seconds: number): Promise<number>;
  /** Waits until everything due now is delivered. */
  settle(): Promise<void>;
  /** Every delivery with its attempts, oldest first. */
  deliveries(): Delivery[];
}

const DEFAULT_BASE_URL = "http://127.0.0.1:12111";

/**
 * A local Stripe as a fetch function.
 *
 * @example
 * const emulator = createEmulator({ webhooks: [{ url: "http://127.0.0.1:3000/stripe/webhook", secret: "whsec_local_secret" }] });
 * await emulator.advance(31 * 86_400);
 */
export function createEmulator(options: EmulatorOptions = {}): Emulator {
  const wallNow = options.wallNow ?? Date.now;
  const startAt = () => Math.floor((options.startAt ?? wallNow()) / 1000);
  const state = loadState(options.stateFile) ?? newState(options.seed ?? 1, startAt());
  const world: World = {
    state,
    baseUrl: options.baseUrl ?? DEFAULT_BASE_URL,
    request: { id: null, idempotencyKey: null },
  };
  for (const endpoint of options.webhooks ?? []) addEndpoint(world, endpoint);
  const engine = createEngine({
    world,
    network: { fetch: options.fetch ?? ((request) => fetch(request)), wallNow },
    clock: options.clock ?? "still",
    onChange: () => saveState(options.stateFile, world.state),
  });
  const app = new Hono();
  const api = createApi(engine);
  for (const addRoutes of RESOURCES) addRoutes(api);
  refuseTheRest(api, engine);
  app.route("/", api.app);
  app.route("/_emulator", controlRoutes(engine, startAt));
  app.get("/_emulator/style.css", (c) => c.text(STYLE, 200, { "content-type": "text/css" }));
  for (const addPage of [viewerPage, checkoutPage, challengePage, portalPage, invoicePage]) addPage(app, engine);
  app.onError((error) => {
    throw error;
  });
  return {
    fetch: async (request) => app.fetch(request),
    now: () => engine.now() * 1000,
    advance: async (seconds) => (await engine.advance(seconds)) * 1000,
    settle: engine.deliverDue,
    deliveries: () => copy([...world.state.deliveries.values()]),
  };
}

const RESOURCES = [
  customerRoutes,
  productRoutes,
  priceRoutes,
  paymentMethodRoutes,
  subscriptionRoutes,
  invoiceRoutes,
  checkoutSessionRoutes,
  portalSessionRoutes,
  webhookEndpointRoutes,
  eventRoutes,
];

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
  const emulator = createEmulator({ clock: "running", ...options, baseUrl });
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
        server.close(() => resolve());
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
  if (file === undefined) return null;
  try {
    return deserialize(readFileSync(file, "utf8"));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw new Error(`The emulator's state in ${file} can't be read. Delete the file to start anew.`, { cause: error });
  }
}

/** Written beside and moved into place: a crash leaves the old state or the new one, never half of one. */
function saveState(file: string | undefined, state: State): void {
  if (file === undefined) return;
  writeFileSync(`${file}.new`, serialize(state));
  renameSync(`${file}.new`, file);
}
