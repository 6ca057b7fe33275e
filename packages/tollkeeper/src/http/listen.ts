/** Starts an HTTP server for a Node handler on a port. */
import { createServer } from "node:http";
import { ConfigError } from "../errors.ts";
import type { NodeHandler } from "./node.ts";

export interface Listener {
  /**
   * Stops the server: refuses new connections, and closes open connections after their next response, within 5 seconds. If
   * `now` is true, closes all connections immediately.
   */
  close(now?: boolean): Promise<void>;
}

export interface ListenOptions {
  port: number;
  host: string;
  /**
   * Name of the variable that sets the port. Error texts about the port contain the name of the variable that sets the port.
   */
  portName: string;
}

/**
 * Maximum time in milliseconds for receiving a whole request, and for receiving its headers. Node closes a connection if
 * receiving its request takes longer than the maximum time.
 */
const REQUEST_TIMEOUT_MS = 30_000;
const HEADERS_TIMEOUT_MS = 10_000;
/** Milliseconds between two checks for idle connections while the server closes. */
const CLOSE_IDLE_EVERY_MS = 100;
/** Milliseconds after which a closing server closes all connections, even those with a response in progress. */
const CLOSE_WITHIN_MS = 5_000;

/**
 * Starts the server. The returned promise resolves when the server listens on its port. Throws `ConfigError` if the port is in
 * use or not allowed.
 */
export async function listen(handler: NodeHandler, { port, host, portName }: ListenOptions): Promise<Listener> {
  let isClosing = false;
  const server = createServer(
    { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: HEADERS_TIMEOUT_MS },
    (request, response) => {
      // Without the header `connection: close`, a client that keeps sending requests would keep its connection open.
      if (isClosing) response.setHeader("connection", "close");
      handler(request, response);
    },
  ).listen(port, host);
  await new Promise<void>((resolve, reject) => {
    server.once("listening", resolve);
    server.once("error", (error: NodeJS.ErrnoException) => {
      const reason =
        error.code === "EADDRINUSE" ? "is in use by another program" : `is not usable (${error.code ?? error.message})`;
      reject(new ConfigError([`port ${port} on ${host} ${reason}: set ${portName} to another port`]));
    });
  });
  return {
    close: (now = false) =>
      new Promise((resolve) => {
        isClosing = true;
        const idle = setInterval(() => server.closeIdleConnections(), CLOSE_IDLE_EVERY_MS);
        const late = setTimeout(() => server.closeAllConnections(), CLOSE_WITHIN_MS);
        server.close(() => {
          clearInterval(idle);
          clearTimeout(late);
          resolve();
        });
        if (now) server.closeAllConnections();
      }),
  };
}
