/** Starts an HTTP server for a Node handler on a port. */
import { createServer } from "node:http";
import { ConfigError } from "../errors.ts";
import { limitConnections, MAX_CONNECTIONS } from "./connections.ts";
import type { NodeHandler } from "./node.ts";

/** Seconds for which an idle connection stays open. Load balancers close idle connections after 60 seconds by default. */
export const DEFAULT_KEEP_ALIVE_SECONDS = 75;

export interface Listener {
  /**
   * Stops the server: refuses new connections, and closes open connections after their next response, within 5 seconds. If
   * `now` is true, closes all connections immediately.
   */
  close(now?: boolean): Promise<void>;
}

export interface ListenOptions extends Partial<ListenLimits> {
  port: number;
  host: string;
  /**
   * Name of the variable that sets the port. Error texts about the port contain the name of the variable that sets the port.
   */
  portName: string;
}

/** The server closes a connection that exceeds a limit. A connection can exceed its time limits by half a second. */
export interface ListenLimits {
  /** Maximum number of open connections. */
  maxConnections: number;
  /** Maximum time in milliseconds for receiving a whole request. */
  requestTimeoutMs: number;
  /** Maximum time in milliseconds for receiving the headers of a request. */
  headersTimeoutMs: number;
  /**
   * Time in milliseconds for which an idle connection stays open. It must be longer than the time of the load balancer in front
   * of the server. Otherwise the server may close a connection on which the load balancer sends a request.
   */
  keepAliveMs: number;
}

const LIMITS: ListenLimits = {
  maxConnections: MAX_CONNECTIONS,
  requestTimeoutMs: 30_000,
  headersTimeoutMs: 10_000,
  keepAliveMs: DEFAULT_KEEP_ALIVE_SECONDS * 1_000,
};

/** Milliseconds between two checks for connections that exceed a time limit. Node's default is 30 seconds. */
const CHECK_CONNECTIONS_EVERY_MS = 500;
/** Milliseconds between two checks for idle connections while the server closes. */
const CLOSE_IDLE_EVERY_MS = 100;
/** Milliseconds after which a closing server closes all connections, even those with a response in progress. */
const CLOSE_WITHIN_MS = 5_000;

/**
 * Starts the server. The returned promise resolves when the server listens on its port. Throws `ConfigError` if the port is in
 * use or not allowed.
 */
export async function listen(handler: NodeHandler, options: ListenOptions): Promise<Listener> {
  const { port, host, portName, ...given } = options;
  const limits: ListenLimits = { ...LIMITS, ...given };
  let isClosing = false;
  const server = createServer(
    {
      requestTimeout: limits.requestTimeoutMs,
      headersTimeout: limits.headersTimeoutMs,
      keepAliveTimeout: limits.keepAliveMs,
      connectionsCheckingInterval: CHECK_CONNECTIONS_EVERY_MS,
    },
    (request, response) => {
      // Without the header `connection: close`, a client that keeps sending requests would keep its connection open.
      if (isClosing) response.setHeader("connection", "close");
      handler(request, response);
    },
  );
  limitConnections(server, limits.maxConnections);
  server.listen(port, host);
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
