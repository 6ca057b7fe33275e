/** Serves a handler on a port. */
import { createServer } from "node:http";
import { ConfigError } from "../errors.ts";
import type { NodeHandler } from "./node.ts";

export interface Listener {
  /** Takes no new connections, and ends each that is open with its next answer, within five seconds; `now` drops them. */
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
/** How often a server that closes looks for connections whose last answer was on its way when it was told to. */
const CLOSE_IDLE_EVERY_MS = 100;
/** What is still open then is cut off: a connection on which nothing was ever asked, or an answer that takes too long. */
const CLOSE_WITHIN_MS = 5_000;

/** Throws `ConfigError` where the port is taken or may not be used. */
export async function listen(handler: NodeHandler, { port, host, portName }: ListenOptions): Promise<Listener> {
  let isClosing = false;
  const server = createServer(
    { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: HEADERS_TIMEOUT_MS },
    (request, response) => {
      // A client that always has one more would keep its connection for ever.
      if (isClosing) response.setHeader("connection", "close");
      handler(request, response);
    },
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
