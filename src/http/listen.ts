/** Serves a fetch handler on a port. */
import { serve } from "@hono/node-server";
import { ConfigError } from "../errors.ts";
import type { FetchHandler } from "./handler.ts";

export interface Listener {
  /** Stops taking requests; `now` also drops the connections that are open. */
  close(now?: boolean): Promise<void>;
}

export interface ListenOptions {
  port: number;
  host: string;
  /** The variable that moves the port, for the error that it is taken. */
  portName: string;
}

/** Headers and bodies that come slower than this are cut off. */
const REQUEST_TIMEOUT_MS = 30_000;
const HEADERS_TIMEOUT_MS = 10_000;

/** Throws `ConfigError` where the port is taken or may not be used. */
export async function listen(fetch: FetchHandler, { port, host, portName }: ListenOptions): Promise<Listener> {
  const server = serve({
    fetch,
    port,
    hostname: host,
    serverOptions: { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: HEADERS_TIMEOUT_MS },
  });
  await new Promise<void>((resolve, reject) => {
    server.once("listening", resolve);
    server.once("error", (error: NodeJS.ErrnoException) => {
      const reason =
        error.code === "EADDRINUSE" ? "is in use by another program" : `can't be used (${error.code ?? error.message})`;
      reject(new ConfigError([`port ${port} on ${host} ${reason}: set ${portName} to another one`]));
    });
  });
  return {
    close: (now = false) =>
      new Promise((resolve) => {
        server.close(() => resolve());
        if (now && "closeAllConnections" in server) server.closeAllConnections();
        else if ("closeIdleConnections" in server) server.closeIdleConnections();
      }),
  };
}
