/** Reads what we keep of an event: which object changed, whose, and in which mode. Its payload is never trusted. */
import type { Mode } from "../../domain/records.ts";

/** An event without its payload. */
export interface Envelope {
  id: string;
  /** In snapshot form: a thin `v1.invoice.paid` is `invoice.paid` here. */
  type: string;
  objectId: string;
  /** Null when the event does not say; thin notifications never do. */
  customerId: string | null;
  mode: Mode;
  /** Set for events of a connected account, which are not ours. */
  account: string | null;
  createdAt: number;
  /** The API request that caused it; null for what Stripe does by itself. */
  requestId: string | null;
}

const MAX_ID_LENGTH = 255;

/** Null when it is neither a snapshot event nor a thin notification about a v1 object. @see https://docs.stripe.com/webhooks */
export function parseEnvelope(body: unknown): Envelope | null {
  if (!isObject(body) || typeof body["livemode"] !== "boolean") return null;
  const mode: Mode = body["livemode"] ? "live" : "test";
  const parts =
    body["object"] === "event" ? snapshotParts(body) : body["object"] === "v2.core.event" ? thinParts(body) : null;
  const id = text(body["id"]);
  if (!parts || id === null) return null;
  return { id, mode, ...parts };
}

type Parts = Omit<Envelope, "id" | "mode">;

function snapshotParts(body: Record<string, unknown>): Parts | null {
  const object = isObject(body["data"]) ? body["data"]["object"] : null;
  const type = text(body["type"]);
  if (!isObject(object) || type === null || typeof body["created"] !== "number") return null;
  const objectId = text(object["id"]);
  if (objectId === null) return null;
  const customerId = object["object"] === "customer" ? objectId : idOf(object["customer"]);
  const createdAt = body["created"] * 1000;
  return { type, objectId, customerId, account: text(body["account"]), createdAt, requestId: idOf(body["request"]) };
}

function thinParts(body: Record<string, unknown>): Parts | null {
  const type = text(body["type"]);
  const objectId = idOf(body["related_object"]);
  const createdAt = typeof body["created"] === "string" ? Date.parse(body["created"]) : NaN;
  if (!type?.startsWith("v1.") || objectId === null || Number.isNaN(createdAt)) return null;
  const customerId = objectId.startsWith("cus_") ? objectId : null;
  return {
    type: type.slice("v1.".length),
    objectId,
    customerId,
    account: text(body["context"]),
    createdAt,
    requestId: requestOf(body["reason"]),
  };
}

/** Thin notifications say what caused them. */
function requestOf(reason: unknown): string | null {
  return isObject(reason) ? idOf(reason["request"]) : null;
}

function idOf(value: unknown): string | null {
  return isObject(value) ? text(value["id"]) : text(value);
}

function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" && value.length <= MAX_ID_LENGTH ? value : null;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
