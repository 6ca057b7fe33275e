/**
 * Bounds the connections of a Node server. If a new connection exceeds the limit, the server closes the connection that has
 * waited longest for a complete request. So clients that keep many connections open, or send their requests slowly, do not keep
 * out other clients.
 */
import type { IncomingMessage, Server } from "node:http";

type Connection = IncomingMessage["socket"];

/** Maximum number of open connections of one server. */
export const MAX_CONNECTIONS = 4_096;

export function limitConnections(server: Server, max: number): void {
  const open = new Set<Connection>();
  /** Connections without a complete request, the one that has waited longest first. */
  const waiting = new Set<Connection>();

  const forget = (socket: Connection): void => {
    open.delete(socket);
    waiting.delete(socket);
  };

  server.on("connection", (socket: Connection) => {
    if (open.size >= max) {
      const [longest] = waiting;
      (longest ?? socket).destroy();
      if (!longest) return;
      forget(longest);
    }
    open.add(socket);
    waiting.add(socket);
    socket.once("close", () => forget(socket));
  });

  server.on("request", (request, response) => {
    const { socket } = request;
    const isComplete = (): void => void waiting.delete(socket);
    if (hasBody(request)) request.once("end", isComplete);
    else isComplete();
    response.once("close", () => {
      if (!open.has(socket)) return;
      waiting.delete(socket);
      waiting.add(socket);
    });
  });
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}
