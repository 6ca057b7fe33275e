/** Carries events to their endpoints: signed, tried again on the clock, and failing as faults ask for. */
import { createHmac } from "node:crypto";
import type { WebhookEndpoint } from "../resources/webhook-endpoints.ts";
import type { StripeEvent } from "./events.ts";
import { takeDeliveryFault, type DeliveryFault } from "./faults.ts";
import { put } from "./own.ts";
import { setTimer } from "./timers.ts";
import type { World } from "./world.ts";

/** Seconds after each failed attempt: exponential over three days, as for live endpoints. */
const RETRY_DELAYS = [60, 300, 1_800, 7_200, 18_000, 36_000, 36_000, 36_000, 36_000, 36_000];
const DELIVERY_TIMEOUT_MS = 10_000;
/** Older than any tolerance. */
const STALE_SECONDS = 3_600;

export interface DeliveryNetwork {
  fetch: (request: Request) => Promise<Response>;
  /** Wall time in milliseconds: signatures are checked against real clocks. */
  wallNow: () => number;
}

interface Outcome {
  status: number | null;
  error: string | null;
}

/** One attempt. A failure sets the timer for the next. */
export async function deliver(world: World, network: DeliveryNetwork, deliveryId: string): Promise<void> {
  const { deliveries, tables } = world.account;
  const delivery = deliveries.get(deliveryId);
  const event = delivery && tables.event.get(delivery.eventId);
  const endpoint = delivery && tables.webhook_endpoint.get(delivery.endpointId);
  if (!delivery || !event || endpoint?.status !== "enabled" || delivery.state === "delivered") return;
  const fault = takeDeliveryFault(world.state, event.type);
  if (fault?.effect === "delay")
    return setTimer(world, "delivery", delivery.id, world.state.now + (fault.seconds ?? STALE_SECONDS));
  const outcome = await attempt(world, network, { endpoint, event, fault });
  settle(world, delivery.id, outcome);
}

async function attempt(
  world: World,
  network: DeliveryNetwork,
  { endpoint, event, fault }: { endpoint: WebhookEndpoint; event: StripeEvent; fault: DeliveryFault | null },
): Promise<Outcome> {
  const once = () => post(world, network, endpoint, event, fault);
  switch (fault?.effect) {
    case "drop":
      // Stripe believes that it arrived; nobody got it.
      return { status: 200, error: null };
    case "lose_answer": {
      await once();
      return { status: null, error: "the answer was lost" };
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

function settle(world: World, deliveryId: string, outcome: Outcome): void {
  const delivery = world.account.deliveries.get(deliveryId);
  // A reset or a restore has come in between.
  if (!delivery) return;
  const attempts = [...delivery.attempts, { at: world.state.now, ...outcome }];
  const delay = RETRY_DELAYS[attempts.length - 1];
  // Anything but 2xx is a failure, redirects too.
  const delivered = outcome.status !== null && outcome.status >= 200 && outcome.status < 300;
  const failed = delay === undefined ? "failed" : "pending";
  put(world, world.account.deliveries, deliveryId, { ...delivery, attempts, state: delivered ? "delivered" : failed });
  if (delivered) countPending(world, delivery.eventId, -1);
  else if (delay !== undefined) setTimer(world, "delivery", deliveryId, world.state.now + delay);
}

/** Makes a delivery due again, whatever became of it. */
export function reopen(world: World, deliveryId: string): void {
  const delivery = world.account.deliveries.get(deliveryId);
  if (!delivery) return;
  if (delivery.state === "delivered") countPending(world, delivery.eventId, 1);
  put(world, world.account.deliveries, deliveryId, { ...delivery, state: "pending" });
}

function countPending(world: World, eventId: string, more: number): void {
  const { event: events } = world.account.tables;
  const event = events.get(eventId);
  if (event) put(world, events, eventId, { ...event, pending_webhooks: event.pending_webhooks + more });
}

async function post(
  world: World,
  network: DeliveryNetwork,
  endpoint: WebhookEndpoint,
  event: StripeEvent,
  fault: DeliveryFault | null,
): Promise<Outcome> {
  const payload = world.account.payloads.get(endpoint.id) ?? "snapshot";
  const body = payload === "thin" ? thinBody(event) : snapshotBody(event, endpoint);
  const headers = {
    "content-type": "application/json; charset=utf-8",
    "user-agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
    "stripe-signature": signatureHeader(world, network, endpoint, body, fault),
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

function signatureHeader(
  world: World,
  network: DeliveryNetwork,
  endpoint: WebhookEndpoint,
  body: string,
  fault: DeliveryFault | null,
): string {
  const wall = Math.floor(network.wallNow() / 1000);
  const timestamp = fault?.effect === "stale_time" ? wall - STALE_SECONDS : wall;
  const secrets = (world.account.endpointSecrets.get(endpoint.id) ?? []).filter(
    ({ expiresAt }) => expiresAt === null || expiresAt > world.state.now,
  );
  if (fault?.effect === "wrong_signature") return signWith(body, ["whsec_not_this_endpoint's"], timestamp);
  return signWith(
    body,
    secrets.map(({ secret }) => secret),
    timestamp,
  );
}

function snapshotBody(event: StripeEvent, endpoint: WebhookEndpoint): string {
  return JSON.stringify({ ...event, api_version: endpoint.api_version ?? event.api_version }, null, 2);
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

/** One `v1` for each secret that is valid while an old one runs out. @see https://docs.stripe.com/webhooks#verify-manually */
function signWith(body: string, secrets: readonly string[], timestamp: number): string {
  const digests = secrets.map((secret) => createHmac("sha256", secret).update(`${timestamp}.${body}`).digest("hex"));
  return [`t=${timestamp}`, ...digests.map((digest) => `v1=${digest}`)].join(",");
}
