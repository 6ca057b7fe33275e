/** Creates events and queues their deliveries. */
import type { StripeEvent } from "../objects/event.ts";
import type { WebhookEndpoint } from "../objects/webhook-endpoint.ts";
import { toApiView } from "./api-view.ts";
import { now } from "./clock.ts";
import { copy } from "./copy.ts";
import { newId } from "./ids.ts";
import { deepEqual, previousAttributes } from "./previous-attributes.ts";
import type { PendingEvent } from "./records.ts";
import { insert, removePermanently } from "./rows.ts";
import { type Account, API_VERSION, type Context, isConnected, publicIdOf } from "./state.ts";
import { hasThinEvent } from "./thin-events.ts";
import { setTimer } from "./timers.ts";
import { commit, setEntry } from "./transaction.ts";

/** The time for which events can be listed. Stripe lists events for 30 days. */
const EVENT_RETENTION_SECONDS = 30 * 86_400;
const SUBSCRIPTION_UPDATED = "customer.subscription.updated";

/**
 * Creates an event that contains a copy of the changed object. The event and its deliveries are stored at the end of the
 * transaction.
 */
export function emit(context: Context, type: string, object: object, previous?: Record<string, unknown>): StripeEvent {
  const event = newEvent(context, type);
  // The events of a rehearsal are discarded. Only the invoice of a preview is read from them.
  const shown = context.isRehearsal === true && type !== "invoice.created" ? {} : copy(toApiView(object));
  event.data = { object: shown, ...(previous && { previous_attributes: previous }) };
  addPending(context, { event, object, before: null });
  return event;
}

/**
 * Changes an object and emits an event with the previous values of the changed fields. Emits no event if no field changed.
 * A transaction emits only one event of a type that ends with `.updated` for each object. This event contains all changes of
 * the transaction.
 */
export function emitChange<T extends object>(
  context: Context,
  type: string,
  object: T,
  mutate: (object: T) => void,
): void {
  emitChangeAs(context, [{ type, show: toApiView }], object, mutate);
}

/** A type of event, and a function that converts the changed object to the form that the event contains. */
interface EventForm<T> {
  type: string;
  show: (row: T) => object;
}

/** Changes an object and emits its events, if a change has events of several types. */
export function emitChangeAs<T extends object>(
  context: Context,
  forms: readonly EventForm<T>[],
  object: T,
  mutate: (object: T) => void,
): void {
  if (context.isRehearsal === true) return mutate(object);
  if (forms.every(({ type }) => type === SUBSCRIPTION_UPDATED) && isNew(context, object)) {
    mutate(object);
    return showInCreatedEvent(context, object);
  }
  const before = copy(object);
  mutate(object);
  if (deepEqual(before, object)) return;
  for (const form of forms)
    if (form.type.endsWith(".updated")) addUpdate(context, form, object, before);
    else
      emit(
        context,
        form.type,
        object,
        previousAttributes(before as Record<string, unknown>, object as Record<string, unknown>),
      );
}

/**
 * Adds an `.updated` event of an object. If the transaction already has an event of this type for the object, the new event
 * replaces it.
 */
function addUpdate<T extends object>(context: Context, { type, show }: EventForm<T>, object: T, before: T): void {
  const known = pendingEvent(context, type, object);
  const first = (known?.before ?? context.originals.get(object) ?? before) as T;
  const shown = copy(show(object));
  if (known) context.pendingEvents.splice(context.pendingEvents.indexOf(known), 1);
  // The previous attributes share values with `first`, which never changes.
  const previous = previousAttributes(
    show(first) as Record<string, unknown>,
    shown as unknown as Record<string, unknown>,
  );
  if (Object.keys(previous).length === 0) return;
  const event = known?.event ?? newEvent(context, type);
  event.data = { object: shown, previous_attributes: previous };
  addPending(context, { event, object, before: first });
}

/** A subscription that is created in the transaction has no `.updated` event: its `.created` event shows all changes. */
function showInCreatedEvent(context: Context, subscription: object): void {
  const created = pendingEvent(context, "customer.subscription.created", subscription);
  if (created) created.event.data = { object: copy(toApiView(subscription)) };
}

/** Returns whether the current transaction has created the row. */
function isNew({ writable, originals }: Context, row: object): boolean {
  return writable?.has(row) === true && !originals.has(row);
}

function pendingEvent(context: Context, type: string, object: object): PendingEvent | undefined {
  return context.pendingEvents.find((pending) => pending.event.type === type && pending.object === object);
}

function newEvent(context: Context, type: string): StripeEvent {
  return {
    id: newId(context, "evt"),
    object: "event",
    ...(isConnected(context.account) && { account: publicIdOf(context.account) }),
    api_version: API_VERSION,
    created: now(context),
    data: { object: {} },
    livemode: false,
    pending_webhooks: listenersOf(context, type).length,
    request: { id: context.request.id, idempotency_key: context.request.idempotencyKey },
    type,
  };
}

function addPending(context: Context, pending: PendingEvent): void {
  // A rollback discards all events of the transaction.
  if (context.pendingEvents.length === 0) context.undo.push(() => void (context.pendingEvents.length = 0));
  context.pendingEvents.push(pending);
}

/** Ends a transaction: stores its events, queues their deliveries, and makes the transaction's rows read-only. */
export function finish(context: Context): void {
  for (const { event } of context.pendingEvents.splice(0)) storeEvent(context, event);
  commit(context);
}

/** Stores an event and queues a delivery to each webhook endpoint that is subscribed to the event's type. */
function storeEvent(context: Context, event: StripeEvent): void {
  insert(context, "event", event);
  context.emitted?.push(event);
  const { deliveries, deliveriesByEvent } = context.account;
  for (const endpoint of listenersOf(context, event.type)) {
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
}

function listenersOf(context: Context, type: string): WebhookEndpoint[] {
  return [...context.account.tables.webhook_endpoint.values()].filter(
    (endpoint) => endpoint.status === "enabled" && listensTo(context, endpoint, type),
  );
}

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
