/**
 * The webhook endpoint: reads a delivery, stores its event and responds. Webhooks bypass the router, because nearly all
 * requests are webhooks and must be fast; on a Node server they need no `Request` object. The webhook is the only route that
 * skips the checks of the route table.
 */
import type { ServerResponse } from "node:http";
import type { ReceiveResult } from "../ingest/receive-event.ts";
import type { WebhookResponse } from "../wire.ts";
import type { HttpContext } from "./context.ts";
import { readBody, readNodeBody, type BodyResult, type NodeRequest } from "./read-body.ts";

/** Path of the webhook endpoint, below the service's base path. */
export const WEBHOOK_PATH = "/webhook";
/** Largest body of a webhook, in bytes (1 MB). Stripe's largest events have a few hundred kilobytes. */
export const MAX_WEBHOOK_BYTES = 1_048_576;

const RETRY_AFTER_SECONDS = "1";
/**
 * Milliseconds that a client has to read the response if the endpoint rejected the request before the client sent its whole
 * body.
 */
const LINGER_MS = 500;

const STATUS: Record<WebhookResponse["status"], 200 | 400 | 503> = {
  accepted: 200,
  duplicate: 200,
  ignored: 200,
  rejected: 400,
  unavailable: 503,
};

/** The HTTP response to one webhook delivery of Stripe. */
export interface WebhookReply {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** Receives the body and the `Stripe-Signature` header of one webhook delivery. Never throws. */
export type ReceiveWebhook = (body: BodyResult, signature: string | null) => Promise<WebhookReply>;

/**
 * Creates the webhook endpoint. The endpoint's responses have no headers for browsers, such as CORS headers. The endpoint's log
 * lines identify an event by the event's own id, not by a request id.
 */
export function createWebhookEndpoint(context: HttpContext): ReceiveWebhook {
  const { receiveEvent, runtime } = context;

  const reject = (kind: "too_large" | "unreadable"): [status: number, result: ReceiveResult] => {
    const reason = kind === "too_large" ? "payload_too_large" : "unreadable_body";
    runtime.log.warn({ outcome: "rejected", reason }, "webhook rejected");
    return [kind === "too_large" ? 413 : 400, { status: "rejected", reason }];
  };

  const receive = async (bytes: Uint8Array, signature: string | null): Promise<[status: number, ReceiveResult]> => {
    try {
      await context.started();
    } catch {
      return [STATUS.unavailable, { status: "unavailable", reason: "store_unavailable" }];
    }
    const received = await receiveEvent(bytes, signature);
    return [STATUS[received.status], received];
  };

  return async (body, signature) => {
    const [status, result] = body.kind === "ok" ? await receive(body.bytes, signature) : reject(body.kind);
    const json = JSON.stringify(result satisfies WebhookResponse);
    return {
      status,
      headers: {
        "content-type": "application/json",
        "content-length": String(Buffer.byteLength(json)),
        ...(status === STATUS.unavailable && { "retry-after": RETRY_AFTER_SECONDS }),
      },
      body: json,
    };
  };
}

/**
 * Returns a fetch function that handles webhooks itself and passes every other request to `fetchRoute`.
 *
 * If webhooks passed through the router, the webhook endpoint would accept 12 to 15 % fewer events per second
 * (`node bench/webhook-endpoint.ts`). If a Node server also created a `Request` for each event, the webhook endpoint would
 * accept 15 to 29 % fewer events per second.
 */
export function bypassRouter(
  basePath: string,
  receiveWebhook: ReceiveWebhook,
  fetchRoute: (request: Request) => Promise<Response>,
): (request: Request) => Promise<Response> {
  return async (request) =>
    request.method === "POST" && isWebhookPath(pathOf(request.url), basePath)
      ? handleWebhook(receiveWebhook, request)
      : fetchRoute(request);
}

async function handleWebhook(receiveWebhook: ReceiveWebhook, request: Request): Promise<Response> {
  const read = await readBody(request, MAX_WEBHOOK_BYTES);
  const { status, headers, body } = await receiveWebhook(read, request.headers.get("stripe-signature"));
  return new Response(body, { status, headers });
}

/** Returns the path of a URL without parsing the whole URL, which is faster. */
function pathOf(url: string): string {
  return withoutQuery(url.slice(url.indexOf("/", url.indexOf("//") + 2)));
}

function withoutQuery(pathAndQuery: string): string {
  const query = pathAndQuery.indexOf("?");
  return query < 0 ? pathAndQuery : pathAndQuery.slice(0, query);
}

/** Returns true if a path is the webhook's. Some frameworks, such as Next, can add a slash to the end of each path. */
function isWebhookPath(path: string, basePath: string): boolean {
  const webhookPath = `${basePath}${WEBHOOK_PATH}`;
  return path === webhookPath || path === `${webhookPath}/`;
}

/** Returns true if a Node request is a webhook. The parameter `url` is the request's path with its query. */
export function isNodeWebhook(request: NodeRequest, url: string, basePath: string): boolean {
  return request.method === "POST" && isWebhookPath(withoutQuery(url), basePath);
}

export async function handleNodeWebhook(
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
  // A middleware that does not wait for the next handler may already have sent a response to the request.
  if (response.headersSent) return;
  response.writeHead(reply.status, reply.headers);
  if (body.kind === "ok") response.end(reply.body);
  else response.end(reply.body, () => closeAfterLinger(request));
}

/**
 * Discards the unread rest of the request's body, then closes the connection. If the server closed the connection at once, the
 * client could miss the response.
 */
function closeAfterLinger(request: NodeRequest): void {
  request.resume();
  setTimeout(() => request.destroy(), LINGER_MS).unref();
}
