/**
 * Reads the envelope of an event: the ids of the changed object and its customer, and the mode. The service never uses the
 * payload of an event.
 */
import type { Mode } from "../../domain/records.ts";

/** The envelope of an event: everything that the service uses, without the payload. */
export interface Envelope {
  id: string;
  /**
   * Type of the event. Thin events get the type name of the corresponding snapshot event. For example, `invoice.paid` also
   * stands for the thin event `v1.invoice.paid`.
   */
  type: string;
  objectId: string;
  /** Id of the customer; null if the event names no customer, as in thin notifications. */
  customerId: string | null;
  mode: Mode;
  createdAt: number;
  /** Id of the API request that caused the event; null if Stripe itself caused it. */
  requestId: string | null;
}

/** The fields that decide if the service needs an event. Stripe's events have these fields, whatever their payload is. */
export interface EventHead {
  /** Null if the event has no usable id. */
  id: string | null;
  /** Type of the event, as in `Envelope`. At most 255 characters. */
  type: string;
  /** Null if the event does not name its mode. */
  mode: Mode | null;
  isOfConnectedAccount: boolean;
}

const MAX_ID_LENGTH = 255;
const THIN_EVENT = "v2.core.event";

/** Parses the head of a webhook's body. Returns null if the body is not an object with an event type. */
export function parseHead(body: unknown): EventHead | null {
  if (!isObject(body) || typeof body["type"] !== "string" || body["type"] === "") return null;
  const { object, type, livemode, account, context } = body;
  const name = object === THIN_EVENT && type.startsWith("v1.") ? type.slice("v1.".length) : type;
  return {
    id: text(body["id"]),
    type: name.slice(0, MAX_ID_LENGTH),
    mode: typeof livemode === "boolean" ? (livemode ? "live" : "test") : null,
    isOfConnectedAccount: !isBlank(object === THIN_EVENT ? context : account),
  };
}

/**
 * Parses the body of a webhook whose type the service needs. If the body's head was parsed before, pass it as `head`. Returns
 * null if the body is neither a snapshot event nor a thin notification about a v1 object, or if it names no object.
 * @see https://docs.stripe.com/webhooks
 */
export function parseEnvelope(body: unknown, head: EventHead | null = parseHead(body)): Envelope | null {
  if (!isObject(body) || head === null) return null;
  const { id, type, mode } = head;
  if (id === null || mode === null) return null;
  const parts =
    body["object"] === "event" ? snapshotParts(body) : body["object"] === THIN_EVENT ? thinParts(body) : null;
  return parts && { id, type, mode, ...parts };
}

type Parts = Omit<Envelope, keyof EventHead>;

function snapshotParts(body: Record<string, unknown>): Parts | null {
  const object = isObject(body["data"]) ? body["data"]["object"] : null;
  if (!isObject(object) || typeof body["created"] !== "number") return null;
  const objectId = text(object["id"]);
  if (objectId === null) return null;
  const customerId = object["object"] === "customer" ? objectId : idOf(object["customer"]);
  const createdAt = body["created"] * 1000;
  return { objectId, customerId, createdAt, requestId: idOf(body["request"]) };
}

function thinParts(body: Record<string, unknown>): Parts | null {
  const type = text(body["type"]);
  const objectId = idOf(body["related_object"]);
  const createdAt = typeof body["created"] === "string" ? Date.parse(body["created"]) : NaN;
  if (!type?.startsWith("v1.") || objectId === null || Number.isNaN(createdAt)) return null;
  const customerId = objectId.startsWith("cus_") ? objectId : null;
  return { objectId, customerId, createdAt, requestId: requestOf(body["reason"]) };
}

/** Returns the id of the API request that caused a thin notification; null if no request caused it. */
function requestOf(reason: unknown): string | null {
  return isObject(reason) ? idOf(reason["request"]) : null;
}

function idOf(value: unknown): string | null {
  return isObject(value) ? text(value["id"]) : text(value);
}

function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" && value.length <= MAX_ID_LENGTH ? value : null;
}

function isBlank(value: unknown): boolean {
  return value === undefined || value === null || value === "";
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Returns the lane of an event: the id of its customer, or the id of its object if the event names no customer. Because a
 * customer's events share one lane, they are processed one at a time.
 */
export function laneOf({ customerId, objectId }: Pick<Envelope, "customerId" | "objectId">): string {
  return customerId ?? objectId;
}
