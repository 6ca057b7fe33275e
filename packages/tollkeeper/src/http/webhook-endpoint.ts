/**
 * The webhook endpoint: reads a delivery, stores its event and responds. Webhooks bypass the router, because nearly all
 * requests are webhooks and must be fast; on a Node server they need no `Request` object. The webhook is the only route that
 * skips the checks of the route table.
 */
import type { ServerResponse } from "node:http";
import { describeError } from "../domain/log-text.ts";
import type { ReceiveResult } from "../ingest/receive-event.ts";
import type { WebhookResponse } from "../wire.ts";
import { createBodyBudget, type BodyAccount } from "./body-budget.ts";
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
/** Maximum number of bytes that the endpoint reads and discards of the rest of a rejected request. */
const LINGER_BYTES = 65_536;

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
  /** True if the inbox contains the event, so that its processing can be due. */
  causesWork: boolean;
}

/** One webhook delivery of Stripe, whose body has not been read yet. */
export interface WebhookDelivery {
  /** The `Stripe-Signature` header; null if the request has none. */
  signature: string | null;
  /**
   * Reads the raw body, and counts its bytes in the account. The endpoint calls this function at most once, and only after it
   * has checked the header.
   */
  readBody(account: BodyAccount): Promise<BodyResult>;
}

/** Receives one webhook delivery. Never throws. */
export type ReceiveWebhook = (delivery: WebhookDelivery) => Promise<WebhookReply>;

/** Handles one request. Calls `onWork` if the request has added, or can have added, events or hooks to the queues. */
export type FetchAndNoteWork = (request: Request, onWork: () => void) => Promise<Response>;

type Unread = Exclude<BodyResult, { kind: "ok" }>;
type Refusal = Extract<ReceiveResult, { status: "rejected" | "unavailable" }>;

const REFUSALS: Record<Unread["kind"], { status: 400 | 413 | 503; result: Refusal }> = {
  too_large: { status: 413, result: { status: "rejected", reason: "payload_too_large" } },
  unreadable: { status: 400, result: { status: "rejected", reason: "unreadable_body" } },
  overloaded: { status: 503, result: { status: "unavailable", reason: "overloaded" } },
};

/**
 * Creates the webhook endpoint. The endpoint's responses have no headers for browsers, such as CORS headers. The endpoint's log
 * lines identify an event by the event's own id, not by a request id.
 */
export function createWebhookEndpoint(context: HttpContext): ReceiveWebhook {
  const { receiveEvent, runtime } = context;
  const budget = createBodyBudget();

  const refuse = (body: Unread): [status: number, ReceiveResult] => {
    const { status, result } = REFUSALS[body.kind];
    const error = body.kind === "unreadable" && body.error !== undefined ? { error: describeError(body.error) } : {};
    runtime.log.warn({ outcome: result.status, reason: result.reason, ...error }, "webhook rejected");
    return [status, result];
  };

  const readAndStore = async (delivery: WebhookDelivery, account: BodyAccount): Promise<[number, ReceiveResult]> => {
    const body = await delivery
      .readBody(account)
      .catch((error: unknown): BodyResult => ({ kind: "unreadable", error }));
    if (body.kind !== "ok") return refuse(body);
    account.complete();
    const received = await receiveEvent.receive(body.bytes, delivery.signature);
    return [STATUS[received.status], received];
  };

  const receive = async (delivery: WebhookDelivery): Promise<[status: number, ReceiveResult]> => {
    const rejected = receiveEvent.checkHeader(delivery.signature);
    if (rejected) return [STATUS[rejected.status], rejected];
    try {
      await context.storeStarted();
    } catch (error) {
      const reason = "store_unavailable";
      runtime.log.warn(
        { outcome: "unavailable", reason, error: describeError(error) },
        "webhook not stored: the service has not started; Stripe delivers it again",
      );
      return [STATUS.unavailable, { status: "unavailable", reason }];
    }
    const account = budget.open();
    try {
      return await readAndStore(delivery, account);
    } finally {
      account.close();
    }
  };

  return async (delivery) => {
    const [status, result] = await receive(delivery);
    const reason = "reason" in result ? { reason: result.reason } : {};
    runtime.metrics.count("webhooks_total", { outcome: result.status, ...reason });
    const json = JSON.stringify(result satisfies WebhookResponse);
    return {
      status,
      headers: {
        "content-type": "application/json",
        "content-length": String(Buffer.byteLength(json)),
        ...(status === STATUS.unavailable && { "retry-after": RETRY_AFTER_SECONDS }),
      },
      body: json,
      // Stripe repeats a delivery if the process ended before its response, so the event of a duplicate may still be pending.
      causesWork: result.status === "accepted" || result.status === "duplicate",
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
  fetchRoute: FetchAndNoteWork,
): FetchAndNoteWork {
  return async (request, onWork) => {
    if (request.method !== "POST" || !isWebhookPath(pathOf(request.url), basePath)) return fetchRoute(request, onWork);
    const { status, headers, body, causesWork } = await receiveWebhook({
      signature: request.headers.get("stripe-signature"),
      readBody: (account) => readBody(request, MAX_WEBHOOK_BYTES, account),
    });
    if (causesWork) onWork();
    return new Response(body, { status, headers });
  };
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
  const signature = request.headers["stripe-signature"];
  const reply = await receiveWebhook({
    signature: typeof signature === "string" ? signature : null,
    readBody: (account) => readRawBody(request, account),
  });
  // A middleware that does not wait for the next handler may already have sent a response to the request.
  if (response.headersSent) return;
  response.writeHead(reply.status, reply.headers);
  if (!request.complete) discardRest(request);
  response.end(reply.body);
}

/** Returns the body that a body parser has kept, or reads the body. */
async function readRawBody(request: NodeRequest, account: BodyAccount): Promise<BodyResult> {
  const { rawBody } = request;
  if (!(rawBody instanceof Buffer && request.readableEnded)) return readNodeBody(request, MAX_WEBHOOK_BYTES, account);
  return account.take(rawBody.byteLength) ? { kind: "ok", bytes: rawBody } : { kind: "overloaded" };
}

/**
 * Discards the unread rest of the request's body. If the rest is large or slow, closes the connection after a while. If the
 * server closed the connection at once, the client could miss the response.
 */
function discardRest(request: NodeRequest): void {
  let discarded = 0;
  request.on("data", (piece: Buffer) => {
    discarded += piece.byteLength;
    if (discarded > LINGER_BYTES) request.pause();
  });
  request.resume();
  const timer = setTimeout(() => request.destroy(), LINGER_MS).unref();
  request.once("end", () => clearTimeout(timer));
}
