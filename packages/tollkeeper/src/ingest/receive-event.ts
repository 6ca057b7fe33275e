/** The webhook's door: checks who speaks, keeps the envelope, and only then says yes. Never throws. */
import type { Mode } from "../domain/records.ts";
import { TollkeeperError } from "../errors.ts";
import type { Runtime } from "../runtime.ts";
import { ALLOWED_WEBHOOK_EVENTS } from "../stripe/webhook/event-types.ts";
import { parseEnvelope, type Envelope } from "../stripe/webhook/envelope.ts";
import { verifySignature } from "../stripe/webhook/signature.ts";
import type { InboxWriter } from "./inbox-writer.ts";

export interface ReceiverOptions {
  inbox: InboxWriter;
  mode: Mode;
  secrets: readonly string[];
  /** How far a signature's time may be from ours, either way, in milliseconds. */
  toleranceMs: number;
  /** Whether what is delivered is kept, too. */
  keepBodies: boolean;
  runtime: Runtime;
  /** Called after something new was stored. */
  onStored: () => void;
}

export type ReceiveResult =
  | { status: "accepted"; eventId: string }
  | { status: "duplicate"; eventId: string }
  | { status: "ignored"; eventId: string; reason: "event_type" | "connected_account" }
  | { status: "rejected"; reason: string }
  | { status: "unavailable"; reason: string };

export type ReceiveEvent = (payload: Uint8Array, signature: string | null) => Promise<ReceiveResult>;

export function createReceiver(options: ReceiverOptions): ReceiveEvent {
  const { runtime, secrets, toleranceMs } = options;
  const { log, trace, metrics } = runtime;

  const refuse = (reason: string, payload: Uint8Array): ReceiveResult => {
    log.warn({ outcome: "rejected", reason, bytes: payload.byteLength }, "webhook refused");
    return { status: "rejected", reason };
  };

  const receive = (payload: Uint8Array, header: string | null): ReceiveResult | Promise<ReceiveResult> => {
    const verified = verifySignature({ payload, header, secrets, toleranceMs, now: runtime.now() });
    if (!verified.valid) return refuse(verified.reason, payload);
    const envelope = parseEnvelope(parseJson(payload));
    if (!envelope) return refuse("not_an_event", payload);
    const lane = laneOf(envelope);
    const names = { eventId: envelope.id, eventType: envelope.type, objectId: envelope.objectId, lane };
    return trace("receive_event", names, async (note) => {
      const result = turnAway(options, envelope) ?? (await store(options, envelope, lane, payload));
      note({ outcome: result.status });
      log.debug({ ...names, outcome: result.status }, "webhook received");
      return result;
    });
  };

  return async (payload, header) => {
    let result: ReceiveResult;
    try {
      result = await receive(payload, header);
    } catch (error) {
      const reason = error instanceof TollkeeperError ? error.code : "internal_error";
      log.error({ outcome: "unavailable", reason, error: String(error) }, "webhook could not be stored");
      result = { status: "unavailable", reason };
    }
    metrics.count("webhooks_total", { outcome: result.status });
    return result;
  };
}

/** What is genuine and yet not for us; null for what is. */
function turnAway({ mode }: ReceiverOptions, envelope: Envelope): ReceiveResult | null {
  const eventId = envelope.id;
  if (envelope.mode !== mode) return { status: "rejected", reason: "wrong_mode" };
  if (envelope.account !== null) return { status: "ignored", eventId, reason: "connected_account" };
  if (!ALLOWED_WEBHOOK_EVENTS.has(envelope.type)) return { status: "ignored", eventId, reason: "event_type" };
  return null;
}

async function store(
  { inbox, keepBodies, onStored }: ReceiverOptions,
  { id: eventId, type, objectId, createdAt: eventCreatedAt, requestId }: Envelope,
  lane: string,
  payload: Uint8Array,
): Promise<ReceiveResult> {
  const body = keepBodies ? payload : null;
  const isNew = await inbox({ eventId, type, objectId, lane, eventCreatedAt, requestId, body });
  if (!isNew) return { status: "duplicate", eventId };
  onStored();
  return { status: "accepted", eventId };
}

/** One customer's events are worked on one at a time; what names no customer goes by itself. */
export function laneOf({ customerId, objectId }: Pick<Envelope, "customerId" | "objectId">): string {
  return customerId ?? objectId;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Undefined for what is not JSON in UTF-8. */
function parseJson(payload: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(payload));
  } catch {
    return undefined;
  }
}
