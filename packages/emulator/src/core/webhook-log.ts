/** Records the webhook requests that endpoints received, so that tests can inspect them. The log is not part of the state. */
import type { StripeEvent } from "../objects/event.ts";

/** A webhook request that the emulator sent to an endpoint, with the response. */
export interface SentWebhook {
  /** The ID of the delivery. A retry has the same delivery ID. */
  deliveryId: string;
  /** The event, as a snapshot. For a thin event, `request.body` contains less. */
  event: StripeEvent;
  request: { url: string; headers: Record<string, string>; body: string };
  /** The HTTP status of the endpoint's response; null if no response arrived. */
  status: number | null;
}

/** The number of webhook requests that the log keeps, newest last. */
const MAX_SENT_WEBHOOKS = 1_000;

export function recordWebhook(log: SentWebhook[], webhook: SentWebhook): void {
  log.push(webhook);
  if (log.length > MAX_SENT_WEBHOOKS) log.shift();
}
