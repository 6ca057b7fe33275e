/** Stripe's door: raw bytes in, a status out. */
import type { ReceiveResult } from "./receive-event.ts";
import { WebhookAnswer } from "../wire.ts";
import type { HttpContext } from "../http/context.ts";
import type { App } from "../http/json-route.ts";
import type { BodyResult } from "../http/read-body.ts";

/** Stripe's largest events are a few hundred kilobytes. */
export const MAX_WEBHOOK_BYTES = 1_048_576;

const RETRY_AFTER_SECONDS = "1";

const STATUS: Record<ReceiveResult["status"], 200 | 400 | 503> = {
  accepted: 200,
  duplicate: 200,
  ignored: 200,
  rejected: 400,
  unavailable: 503,
};

/** What goes back to Stripe. */
export interface WebhookReply {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** Takes one delivery: its body, and its `Stripe-Signature`. Never throws. */
export type ReceiveWebhook = (body: BodyResult, signature: string | null) => Promise<WebhookReply>;

/**
 * The door itself: it takes nearly all requests, so it stands before the router, and answers without the headers that are for
 * browsers. In logs an event goes by its own id.
 */
export function createWebhookDoor(context: HttpContext): ReceiveWebhook {
  const { receiveEvent, runtime } = context;

  const refuse = (kind: "too_large" | "unreadable"): [status: number, result: ReceiveResult] => {
    const reason = kind === "too_large" ? "payload_too_large" : "unreadable_body";
    runtime.log.warn({ outcome: "rejected", reason }, "webhook refused");
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
    const [status, result] = body.kind === "ok" ? await receive(body.bytes, signature) : refuse(body.kind);
    const answer = JSON.stringify(result);
    return {
      status,
      headers: {
        "content-type": "application/json",
        "content-length": String(Buffer.byteLength(answer)),
        ...(status === STATUS.unavailable && { "retry-after": RETRY_AFTER_SECONDS }),
      },
      body: answer,
    };
  };
}

/** Describes it, for the API's description. */
export function describeWebhook(app: App): void {
  const content = { "application/json": { schema: WebhookAnswer } };
  app.openAPIRegistry.registerPath({
    method: "post",
    path: "/webhook",
    description: "Takes Stripe's signed events; the body is raw bytes",
    responses: {
      200: { description: "Stored, known already, or not needed", content },
      400: { description: "Not signed by this endpoint's secret, or not an event of this mode", content },
      413: { description: "Larger than any event", content },
      503: { description: "Not stored; Stripe will deliver it again", content },
    },
  });
}
