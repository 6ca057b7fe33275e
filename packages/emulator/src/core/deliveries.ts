/** Delivers events to webhook endpoints, with signatures, retries and delivery faults. */
import { createHmac } from "node:crypto";
import type { StripeEvent } from "../objects/event.ts";
import type { WebhookEndpoint } from "../objects/webhook-endpoint.ts";
import type { DeliveryFault } from "./fault-schemas.ts";
import { consumeDeliveryFault } from "./faults.ts";
import type { Context } from "./state.ts";
import { toThinEvent } from "./thin-events.ts";
import { setTimer } from "./timers.ts";
import { setEntry } from "./transaction.ts";
import type { SentWebhook } from "./webhook-log.ts";

/**
 * Seconds between each failed delivery attempt and the next. All attempts to deliver an event span about three days, as for
 * live webhook endpoints at Stripe.
 */
const RETRY_DELAYS = [60, 300, 1_800, 7_200, 18_000, 36_000, 36_000, 36_000, 36_000, 36_000];
const DELIVERY_TIMEOUT_MS = 10_000;
/**
 * This duration is the age of a signature under a `stale_time` fault, and also the default delay of a `delay` fault. A
 * signature under a `stale_time` fault is too old for every signature check.
 */
const STALE_SECONDS = 3_600;

export interface DeliveryNetwork {
  fetch: (request: Request) => Promise<Response>;
  /**
   * Returns the wall time (not the virtual time) in milliseconds. Signatures contain wall time, because webhook
   * handlers compare it with real clocks.
   */
  wallNow: () => number;
  /** A callback function: the emulator calls it for each webhook request that it sent. */
  onSent: (webhook: SentWebhook) => void;
}

interface Message {
  deliveryId: string;
  endpoint: WebhookEndpoint;
  event: StripeEvent;
  /** The delivery fault that applies to this delivery attempt; null if there is none. */
  fault: DeliveryFault | null;
}

interface Outcome {
  status: number | null;
  error: string | null;
}

/**
 * Tries once to deliver an event to a webhook endpoint. If the attempt fails, sets the timer for the next attempt. If the
 * endpoint is disabled or deleted, the delivery fails without further attempts.
 * @see https://docs.stripe.com/webhooks#retry-behavior
 */
export async function deliver(context: Context, network: DeliveryNetwork, deliveryId: string): Promise<void> {
  const { deliveries, tables } = context.account;
  const delivery = deliveries.get(deliveryId);
  const event = delivery && tables.event.get(delivery.eventId);
  const endpoint = delivery && tables.webhook_endpoint.get(delivery.endpointId);
  if (!delivery || !event || delivery.state === "delivered") return;
  if (endpoint?.status !== "enabled") {
    setEntry(context, deliveries, deliveryId, { ...delivery, state: "failed" });
    return;
  }
  const fault = consumeDeliveryFault(context.state, event.type);
  if (fault?.effect === "delay")
    return setTimer(context, "delivery", delivery.id, context.state.now + (fault.seconds ?? STALE_SECONDS));
  const outcome = await sendWithFault(context, network, { deliveryId, endpoint, event, fault });
  recordAttempt(context, delivery.id, outcome);
}

async function sendWithFault(context: Context, network: DeliveryNetwork, message: Message): Promise<Outcome> {
  const once = () => send(context, network, message);
  switch (message.fault?.effect) {
    case "drop":
      // A `drop` fault makes the delivery count as successful, but the endpoint receives nothing.
      return { status: 200, error: null };
    case "lose_answer": {
      await once();
      return { status: null, error: "the response was lost" };
    }
    case "twice_at_once":
      return (await Promise.all([once(), once()]))[0];
    case "duplicate": {
      await once();
      return once();
    }
    default:
      return once();
  }
}

function recordAttempt(context: Context, deliveryId: string, outcome: Outcome): void {
  const delivery = context.account.deliveries.get(deliveryId);
  // The delivery no longer exists if the emulator's state was reset or restored during the webhook request.
  if (!delivery) return;
  const attempts = [...delivery.attempts, { at: context.state.now, ...outcome }];
  const delay = RETRY_DELAYS[attempts.length - 1];
  // Every HTTP status other than 2xx counts as a failed delivery, including redirects.
  const delivered = outcome.status !== null && outcome.status >= 200 && outcome.status < 300;
  const failed = delay === undefined ? "failed" : "pending";
  setEntry(context, context.account.deliveries, deliveryId, {
    ...delivery,
    attempts,
    state: delivered ? "delivered" : failed,
  });
  if (delivered) changePendingCount(context, delivery.eventId, -1);
  else if (delay !== undefined) setTimer(context, "delivery", deliveryId, context.state.now + delay);
}

/** Makes a webhook delivery pending again, even if it succeeded or failed before. */
export function makePending(context: Context, deliveryId: string): void {
  const delivery = context.account.deliveries.get(deliveryId);
  if (!delivery) return;
  if (delivery.state === "delivered") changePendingCount(context, delivery.eventId, 1);
  setEntry(context, context.account.deliveries, deliveryId, { ...delivery, state: "pending" });
}

function changePendingCount(context: Context, eventId: string, more: number): void {
  const { event: events } = context.account.tables;
  const event = events.get(eventId);
  if (event) setEntry(context, events, eventId, { ...event, pending_webhooks: event.pending_webhooks + more });
}

async function send(context: Context, network: DeliveryNetwork, message: Message): Promise<Outcome> {
  const { deliveryId, endpoint, event, fault } = message;
  const isThin = context.account.payloadStyles.get(endpoint.id) === "thin";
  const body = isThin ? JSON.stringify(toThinEvent(event)) : JSON.stringify(event, null, 2);
  const headers = {
    "content-type": "application/json; charset=utf-8",
    "user-agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
    "stripe-signature": signatureHeader(context, network, { endpoint, body, fault }),
  };
  const outcome = await post(network, { url: endpoint.url, headers, body });
  network.onSent({ deliveryId, event, request: { url: endpoint.url, headers, body }, status: outcome.status });
  return outcome;
}

async function post({ fetch }: DeliveryNetwork, { url, headers, body }: SentWebhook["request"]): Promise<Outcome> {
  const signal = AbortSignal.timeout(DELIVERY_TIMEOUT_MS);
  try {
    const request = new Request(url, { method: "POST", headers, body, redirect: "manual", signal });
    const response = await fetch(request);
    await response.body?.cancel();
    return { status: response.status, error: null };
  } catch (error) {
    return { status: null, error: error instanceof Error ? error.message : String(error) };
  }
}

function signatureHeader(
  context: Context,
  network: DeliveryNetwork,
  { endpoint, body, fault }: Pick<Message, "endpoint" | "fault"> & { body: string },
): string {
  const wall = Math.floor(network.wallNow() / 1000);
  const timestamp = fault?.effect === "stale_time" ? wall - STALE_SECONDS : wall;
  const secrets = (context.account.endpointSecrets.get(endpoint.id) ?? []).filter(
    ({ expiresAt }) => expiresAt === null || expiresAt > context.state.now,
  );
  if (fault?.effect === "wrong_signature") return signWith(body, ["whsec_not_this_endpoint's"], timestamp);
  return signWith(
    body,
    secrets.map(({ secret }) => secret),
    timestamp,
  );
}

/**
 * Returns the `stripe-signature` header, with one `v1` signature per valid secret.
 * @see https://docs.stripe.com/webhooks#verify-manually
 */
function signWith(body: string, secrets: readonly string[], timestamp: number): string {
  const digests = secrets.map((secret) => createHmac("sha256", secret).update(`${timestamp}.${body}`).digest("hex"));
  return [`t=${timestamp}`, ...digests.map((digest) => `v1=${digest}`)].join(",");
}
