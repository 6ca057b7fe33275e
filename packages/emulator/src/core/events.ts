/** Events: what happened, with the object as it was then, and a delivery for every endpoint that listens. */
import type { WebhookEndpoint } from "../resources/webhook-endpoints.ts";
import { changedFields } from "./diff.ts";
import { put } from "./own.ts";
import { present } from "./present.ts";
import { setTimer } from "./timers.ts";
import { newId } from "./ids.ts";
import { API_VERSION, copy, forget, insert, now, type Account, type World } from "./world.ts";

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

/** Events can be listed for 30 days. */
const EVENT_RETENTION_SECONDS = 30 * 86_400;

/** Records that `object` has changed, as it is now, and queues a delivery to every endpoint that listens. */
export function emit(world: World, type: string, object: object, previous?: Record<string, unknown>): StripeEvent {
  const listeners = [...world.account.tables.webhook_endpoint.values()].filter((endpoint) => listensTo(endpoint, type));
  const event: StripeEvent = {
    id: newId(world, "evt"),
    object: "event",
    api_version: API_VERSION,
    created: now(world),
    data: { object: copy(present(object)), ...(previous && { previous_attributes: previous }) },
    livemode: false,
    pending_webhooks: listeners.length,
    request: { id: world.request.id, idempotency_key: world.request.idempotencyKey },
    type,
  };
  insert(world, "event", event);
  const { deliveries, deliveriesOf } = world.account;
  for (const endpoint of listeners) {
    const id = newId(world, "whd");
    put(world, deliveries, id, { id, eventId: event.id, endpointId: endpoint.id, attempts: [], state: "pending" });
    put(world, deliveriesOf, event.id, [...(deliveriesOf.get(event.id) ?? []), id]);
    setTimer(world, "delivery", id, world.state.now);
  }
  return event;
}

/** Changes an object and tells what its fields were before; a change that changes nothing is not told, and answers null. */
export function change<T extends object>(
  world: World,
  type: string,
  object: T,
  mutate: (object: T) => void,
): StripeEvent | null {
  const before = copy(object);
  mutate(object);
  const previous = changedFields(before as Record<string, unknown>, object as Record<string, unknown>);
  return Object.keys(previous).length > 0 ? emit(world, type, object, previous) : null;
}

function listensTo(endpoint: WebhookEndpoint, type: string): boolean {
  return (
    endpoint.status === "enabled" && endpoint.enabled_events.some((enabled) => enabled === "*" || enabled === type)
  );
}

/** Once a day is often enough: events stay listed for a part of a day longer, and until they are delivered. */
export function forgetOldEvents(account: Account, at: number): void {
  const { tables, deliveries, deliveriesOf } = account;
  for (const event of tables.event.values()) {
    if (event.created > at - EVENT_RETENTION_SECONDS) return;
    const ids = deliveriesOf.get(event.id) ?? [];
    if (ids.some((id) => deliveries.get(id)?.state === "pending")) continue;
    forget(account, "event", event);
    for (const id of ids) deliveries.delete(id);
    deliveriesOf.delete(event.id);
  }
}
