/** Events, and the deliveries that carry them to the endpoints. */
import { createHmac } from "node:crypto";
import type { WebhookEndpoint } from "../resources/webhook-endpoints.ts";
import { setTimer } from "./timers.ts";
import { all, API_VERSION, copy, find, newId, type World } from "./world.ts";

export interface StripeEvent {
  id: string;
  object: "event";
  api_version: string;
  created: number;
  data: { object: object; previous_attributes?: Record<string, unknown> };
  livemode: false;
  pending_webhooks: number;
  request: { id: string | null; idempotency_key: string | null };
  type: string;
}

export interface Delivery {
  id: string;
  eventId: string;
  endpointId: string;
  attempts: { at: number; status: number | null; error: string | null }[];
  state: "pending" | "delivered" | "failed";
}

/** Seconds after each failed attempt: exponential over three days, as for live endpoints. */
const RETRY_DELAYS = [60, 300, 1_800, 7_200, 18_000, 36_000, 36_000, 36_000, 36_000, 36_000];
const DELIVERY_TIMEOUT_MS = 10_000;
/** Events can be listed for 30 days. */
const EVENT_RETENTION_SECONDS = 30 * 86_400;

/** Records that `object` has changed, as it is now, and queues a delivery to every endpoint that listens. */
export function emit(
  world: World,
  type: string,
  object: object,
  previousAttributes?: Record<string, unknown>,
): StripeEvent {
  const listeners = all(world, "webhook_endpoint").filter((endpoint) => listensTo(endpoint, type));
  const event: StripeEvent = {
    id: newId(world, "evt"),
    object: "event",
    api_version: API_VERSION,
    created: world.state.now,
    data: { object: copy(object), ...(previousAttributes && { previous_attributes: previousAttributes }) },
    livemode: false,
    pending_webhooks: listeners.length,
    request: { id: world.request.id, idempotency_key: world.request.idempotencyKey },
    type,
  };
  forgetOldEvents(world);
  world.state.tables.event.set(event.id, event);
  for (const endpoint of listeners) {
    const id = newId(world, "whd");
    world.state.deliveries.set(id, { id, eventId: event.id, endpointId: endpoint.id, attempts: [], state: "pending" });
    setTimer(world, "delivery", id, world.state.now);
  }
  return event;
}

function listensTo(endpoint: WebhookEndpoint, type: string): boolean {
  return (
    endpoint.status === "enabled" && endpoint.enabled_events.some((enabled) => enabled === "*" || enabled === type)
  );
}

function forgetOldEvents(world: World): void {
  for (const event of world.state.tables.event.values()) {
    if (event.created > world.state.now - EVENT_RETENTION_SECONDS) return;
    world.state.tables.event.delete(event.id);
    for (const delivery of world.state.deliveries.values())
      if (delivery.eventId === event.id) world.state.deliveries.delete(delivery.id);
  }
}

export interface DeliveryNetwork {
  fetch: (request: Request) => Promise<Response>;
  /** Wall time in milliseconds: signatures are checked against real clocks. */
  wallNow: () => number;
}

/** One attempt. A failure sets the timer for the next. */
export async function deliver(world: World, network: DeliveryNetwork, deliveryId: string): Promise<void> {
  const delivery = world.state.deliveries.get(deliveryId);
  const event = delivery && find(world, "event", delivery.eventId);
  const endpoint = delivery && find(world, "webhook_endpoint", delivery.endpointId);
  if (!delivery || !event || endpoint?.status !== "enabled") return;
  const outcome = await post(world, network, endpoint, event);
  delivery.attempts.push({ at: world.state.now, ...outcome });
  // Anything but 2xx is a failure, redirects too.
  if (outcome.status !== null && outcome.status >= 200 && outcome.status < 300) {
    delivery.state = "delivered";
    event.pending_webhooks -= 1;
    return;
  }
  const delay = RETRY_DELAYS[delivery.attempts.length - 1];
  if (delay === undefined) delivery.state = "failed";
  else setTimer(world, "delivery", delivery.id, world.state.now + delay);
}

async function post(
  world: World,
  network: DeliveryNetwork,
  endpoint: WebhookEndpoint,
  event: StripeEvent,
): Promise<{ status: number | null; error: string | null }> {
  const body = endpoint.payload === "thin" ? thinBody(event) : snapshotBody(event);
  const secret = world.state.endpointSecrets.get(endpoint.id) ?? "";
  const headers = {
    "content-type": "application/json; charset=utf-8",
    "user-agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
    "stripe-signature": sign(body, secret, Math.floor(network.wallNow() / 1000)),
  };
  const signal = AbortSignal.timeout(DELIVERY_TIMEOUT_MS);
  try {
    const request = new Request(endpoint.url, { method: "POST", headers, body, redirect: "manual", signal });
    const response = await network.fetch(request);
    await response.body?.cancel();
    return { status: response.status, error: null };
  } catch (error) {
    return { status: null, error: error instanceof Error ? error.message : String(error) };
  }
}

function snapshotBody(event: StripeEvent): string {
  return JSON.stringify(event, null, 2);
}

/** @see https://docs.stripe.com/event-destinations#thin-events */
function thinBody(event: StripeEvent): string {
  const object = event.data.object as { id: string; object: string };
  const path = object.object === "checkout.session" ? "checkout/sessions" : `${object.object}s`;
  return JSON.stringify({
    id: event.id,
    object: "v2.core.event",
    type: `v1.${event.type}`,
    livemode: false,
    created: new Date(event.created * 1000).toISOString(),
    context: null,
    reason: null,
    related_object: { id: object.id, type: object.object, url: `/v1/${path}/${object.id}` },
  });
}

/** @see https://docs.stripe.com/webhooks#verify-manually */
export function sign(body: string, secret: string, timestamp: number): string {
  const digest = createHmac("sha256", secret).update(`${timestamp}.${body}`).digest("hex");
  return `t=${timestamp},v1=${digest}`;
}
