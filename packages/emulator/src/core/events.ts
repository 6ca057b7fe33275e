/** Creates events and queues their deliveries. */
import type { StripeEvent } from "../objects/event.ts";
import type { WebhookEndpoint } from "../objects/webhook-endpoint.ts";
import { toApiView } from "./api-view.ts";
import { now } from "./clock.ts";
import { copy } from "./copy.ts";
import { newId } from "./ids.ts";
import { previousAttributes } from "./previous-attributes.ts";
import { insert, removePermanently } from "./rows.ts";
import { type Account, API_VERSION, type Context, isConnected, publicIdOf } from "./state.ts";
import { hasThinEvent } from "./thin-events.ts";
import { setTimer } from "./timers.ts";
import { setEntry } from "./transaction.ts";

/** The time for which events can be listed. Stripe lists events for 30 days. */
const EVENT_RETENTION_SECONDS = 30 * 86_400;

/**
 * Creates an event that contains a copy of the changed object. Queues a delivery to each webhook endpoint that is
 * subscribed to the event's type.
 */
export function emit(context: Context, type: string, object: object, previous?: Record<string, unknown>): StripeEvent {
  const listeners = [...context.account.tables.webhook_endpoint.values()].filter(
    (endpoint) => endpoint.status === "enabled" && listensTo(context, endpoint, type),
  );
  const event: StripeEvent = {
    id: newId(context, "evt"),
    object: "event",
    ...(isConnected(context.account) && { account: publicIdOf(context.account) }),
    api_version: API_VERSION,
    created: now(context),
    data: { object: copy(toApiView(object)), ...(previous && { previous_attributes: previous }) },
    livemode: false,
    pending_webhooks: listeners.length,
    request: { id: context.request.id, idempotency_key: context.request.idempotencyKey },
    type,
  };
  insert(context, "event", event);
  context.emitted?.push(event);
  const { deliveries, deliveriesByEvent } = context.account;
  for (const endpoint of listeners) {
    const id = newId(context, "whd");
    setEntry(context, deliveries, id, {
      id,
      eventId: event.id,
      endpointId: endpoint.id,
      attempts: [],
      state: "pending",
    });
    setEntry(context, deliveriesByEvent, event.id, [...(deliveriesByEvent.get(event.id) ?? []), id]);
    setTimer(context, "delivery", id, context.state.now);
  }
  return event;
}

/**
 * Changes an object and emits an event with the previous values of the changed fields. Emits no event and returns null
 * if no field changed.
 */
export function emitChange<T extends object>(
  context: Context,
  type: string,
  object: T,
  mutate: (object: T) => void,
): StripeEvent | null {
  const before = copy(object);
  mutate(object);
  const previous = previousAttributes(before as Record<string, unknown>, object as Record<string, unknown>);
  return Object.keys(previous).length > 0 ? emit(context, type, object, previous) : null;
}

/** Returns whether an endpoint is subscribed to an event type. An endpoint for thin events can also name `v1.` types. */
function listensTo(context: Context, { id, enabled_events: enabled }: WebhookEndpoint, type: string): boolean {
  const isThin = context.account.payloadStyles.get(id) === "thin";
  if (isThin && !hasThinEvent(type)) return false;
  return enabled.some((name) => name === "*" || name === type || (isThin && name === `v1.${type}`));
}

/**
 * Removes events older than 30 days that have no pending delivery. The emulator removes old events once per virtual day.
 */
export function pruneOldEvents(account: Account, at: number): void {
  const { tables, deliveries, deliveriesByEvent } = account;
  for (const event of tables.event.values()) {
    if (event.created > at - EVENT_RETENTION_SECONDS) return;
    const ids = deliveriesByEvent.get(event.id) ?? [];
    if (ids.some((id) => deliveries.get(id)?.state === "pending")) continue;
    removePermanently(account, "event", event);
    for (const id of ids) deliveries.delete(id);
    deliveriesByEvent.delete(event.id);
  }
}
