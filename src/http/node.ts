/** Mounts a fetch handler in Express, Fastify and node:http. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { getRequestListener } from "@hono/node-server";
import type { ErrorAnswer } from "../wire.ts";

export type NodeHandler = (
  request: IncomingMessage & { originalUrl?: string; rawBody?: unknown },
  response: ServerResponse,
  next?: (error?: unknown) => void,
) => void;

export interface Mountable {
  fetch: (request: Request) => Promise<Response>;
  basePath: string;
}

/**
 * Turns the service into a Node handler. As Express middleware it passes on whatever is outside its base path. Mount it
 * ahead of `express.json()`: signatures are over the raw bytes (or keep them as a Buffer in `request.rawBody`).
 *
 * @example
 * app.use(toNodeHandler(tollkeeper));
 */
export function toNodeHandler({ fetch, basePath }: Mountable): NodeHandler {
  const listener = getRequestListener(fetch, { overrideGlobalObjects: false });
  return (request, response, next) => {
    // Express cuts the path it was mounted under off `url`; for what is not ours it stays as Express needs it.
    const url = request.originalUrl ?? request.url ?? "/";
    const ours = url === basePath || (/^[/?]/.test(url.slice(basePath.length)) && url.startsWith(basePath));
    if (!ours && next) return next();
    request.url = url;
    if (bodyIsGone(request)) return refuse(response);
    void listener(request, response);
  };
}

function bodyIsGone(request: IncomingMessage & { rawBody?: unknown }): boolean {
  const hasBody = request.method === "POST" && request.headers["content-length"] !== "0";
  return hasBody && request.readableEnded && !(request.rawBody instanceof Buffer);
}

function refuse(response: ServerResponse): void {
  const answer: ErrorAnswer = {
    error: {
      code: "body_already_read",
      message:
        "Something read the body before tollkeeper: mount toNodeHandler() ahead of express.json(), or keep the raw bytes in request.rawBody.",
      requestId: "",
    },
  };
  response.writeHead(500, { "content-type": "application/json" }).end(JSON.stringify(answer));
}
