/** Serves the app, the service and Stripe's pages on ports, for tests in a browser. */
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { toNodeHandler } from "../http/node.ts";
import type { Tollkeeper } from "../tollkeeper.ts";
import { toFetch, toNodeListener, type AppHandler } from "./app-client.ts";
import type { TestEmulator } from "./harness/emulator.ts";
import type { ServedBilling } from "./kit-state.ts";

export interface ServeOptions {
  /** The app's routes, including those of the service. Default: only the routes of the service. */
  app?: AppHandler;
  /** The port of the app. Default: a free port. */
  port?: number;
  /** The port of Stripe's pages. Default: a free port. */
  stripePort?: number;
}

const HOST = "127.0.0.1";

export interface RunningServers extends ServedBilling {
  close(): Promise<void>;
}

export interface ServerParts {
  emulator: Pick<TestEmulator, "fetch">;
  service: Tollkeeper;
  settle: () => Promise<void>;
}

/** Starts both servers. They do not keep the process alive. Throws if a port is in use. */
export async function startServers(
  { emulator, service, settle }: ServerParts,
  { app, port = 0, stripePort = 0 }: ServeOptions,
): Promise<RunningServers> {
  const showPage = async (request: Request): Promise<Response> => {
    const response = await emulator.fetch(request);
    // When the user returns to the app, the app knows about the payment.
    if (request.method === "POST") await settle();
    return response;
  };
  const stripe = await listenOn(fromFetch(showPage), stripePort);
  const listener = app === undefined ? toNodeHandler(service) : listenerOf(app);
  const own = await listenOn(listener, port).catch(async (error: unknown) => {
    await close(stripe);
    throw error;
  });
  return {
    appUrl: urlOf(own),
    stripeUrl: urlOf(stripe),
    close: async () => void (await Promise.all([close(own), close(stripe)])),
  };
}

function listenerOf(app: AppHandler): RequestListener {
  return toNodeListener(app) ?? fromFetch(toFetch(app));
}

function fromFetch(fetch: (request: Request) => Response | Promise<Response>): RequestListener {
  const listener = getRequestListener(fetch, { overrideGlobalObjects: false });
  return (request, response) => void listener(request, response);
}

async function listenOn(listener: RequestListener, port: number): Promise<Server> {
  const server = createServer(listener);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, HOST, resolve);
  });
  return server.unref();
}

function urlOf(server: Server): string {
  return `http://${HOST}:${(server.address() as AddressInfo).port}`;
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => void server.close(resolve));
}
