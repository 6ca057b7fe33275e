/** Mounts the service in Express, Fastify and node:http. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { getRequestListener } from "@hono/node-server";
import type { ErrorAnswer } from "../wire.ts";
import { readNodeBody } from "./read-body.ts";
import { MAX_WEBHOOK_BYTES, type ReceiveWebhook } from "../ingest/webhook-endpoint.ts";

type NodeRequest = IncomingMessage & { originalUrl?: string; rawBody?: unknown };

export type NodeHandler = (request: NodeRequest, response: ServerResponse, next?: (error?: unknown) => void) => void;

export interface Mountable {
  fetch: (request: Request) => Promise<Response>;
  basePath: string;
  /** Takes webhooks without a `Request` being made of each. Default: `fetch` takes them. */
  receiveWebhook?: ReceiveWebhook;
}

/**
 * Turns the service into a Node handler. As Express middleware it passes on whatever is outside its base path. Mount it
 * ahead of `express.json()`: signatures are over the raw bytes (or keep them as a Buffer in `request.rawBody`).
 *
 * @example
 * app.use(toNodeHandler(tollkeeper));
 */
export function toNodeHandler({ fetch, basePath, receiveWebhook }: Mountable): NodeHandler {
  const listener = getRequestListener(fetch, { overrideGlobalObjects: false });
  const door = `${basePath}/webhook`;
  return (request, response, next) => {
    // Express cuts the path it was mounted under off `url`; for what is not ours it stays as Express needs it.
    const url = request.originalUrl ?? request.url ?? "/";
    const ours = url === basePath || (/^[/?]/.test(url.slice(basePath.length)) && url.startsWith(basePath));
    if (!ours && next) return next();
    if (bodyIsGone(request)) return refuse(response);
    if (receiveWebhook && request.method === "POST" && isAt(url, door))
      return void takeWebhook(receiveWebhook, request, response).catch(() => response.destroy());
    request.url = url;
    void listener(request, response);
  };
}

function isAt(url: string, path: string): boolean {
  return url === path || url.startsWith(`${path}?`);
}

async function takeWebhook(
  receiveWebhook: ReceiveWebhook,
  request: NodeRequest,
  response: ServerResponse,
): Promise<void> {
  const { rawBody } = request;
  const body =
    rawBody instanceof Buffer && request.readableEnded
      ? ({ kind: "ok", bytes: rawBody } as const)
      : await readNodeBody(request, MAX_WEBHOOK_BYTES);
  const signature = request.headers["stripe-signature"];
  const reply = await receiveWebhook(body, typeof signature === "string" ? signature : null);
  // A middleware that waits for nobody may have answered.
  if (response.headersSent) return;
  response.writeHead(reply.status, reply.headers);
  if (body.kind === "ok") response.end(reply.body);
  else response.end(reply.body, () => hangUp(request));
}

/** What is left of the body is not looked at; but whoever still sends would not get to the answer if he were cut off at once. */
const LINGER_MS = 500;

function hangUp(request: NodeRequest): void {
  request.resume();
  setTimeout(() => request.destroy(), LINGER_MS).unref();
}

function bodyIsGone(request: NodeRequest): boolean {
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
