/** Serves a handler on a port. */
import { createServer } from "node:http";
import { ConfigError } from "../errors.ts";
import type { NodeHandler } from "./node.ts";

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
export async function listen(handler: NodeHandler, { port, host, portName }: ListenOptions): Promise<Listener> {
  const server = createServer(
    { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: HEADERS_TIMEOUT_MS },
    (request, response) => handler(request, response),
  ).listen(port, host);
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
        if (now) server.closeAllConnections();
        else server.closeIdleConnections();
      }),
  };
}
