/** The webhook's door: checks who speaks, keeps the envelope, and only then says yes. Never throws. */
import type { Mode } from "../domain/records.ts";
import { TollkeeperError } from "../errors.ts";
import type { Runtime } from "../runtime.ts";
import { ALLOWED_WEBHOOK_EVENTS } from "../stripe/event-types.ts";
import { parseEnvelope, type Envelope } from "../stripe/envelope.ts";
import { verifySignature } from "../stripe/signature.ts";
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
  const { log, trace } = options.runtime;
  const receive: ReceiveEvent = async (payload, signature) => {
    try {
      const verified = verifySignature({ ...options, payload, header: signature, now: options.runtime.now() });
      if (!verified.valid) {
        log.warn({ outcome: "rejected", reason: verified.reason, bytes: payload.byteLength }, "webhook refused");
        return { status: "rejected", reason: verified.reason };
      }
      const envelope = parseEnvelope(parseJson(payload));
      if (!envelope) {
        log.warn({ outcome: "rejected", reason: "not_an_event", bytes: payload.byteLength }, "webhook refused");
        return { status: "rejected", reason: "not_an_event" };
      }
      const { id: eventId, type: eventType, objectId } = envelope;
      const names = { eventId, eventType, objectId, lane: laneOf(envelope) };
      const result = await trace("receive_event", names, async (note) => {
        const admitted = await admit(options, envelope, payload);
        note({ outcome: admitted.status });
        return admitted;
      });
      log.debug({ ...names, outcome: result.status }, "webhook received");
      return result;
    } catch (error) {
      const reason = error instanceof TollkeeperError ? error.code : "internal_error";
      log.error({ outcome: "unavailable", reason, error: String(error) }, "webhook could not be stored");
      return { status: "unavailable", reason };
    }
  };
  return async (payload, signature) => {
    const result = await receive(payload, signature);
    options.runtime.metrics.count("webhooks_total", { outcome: result.status });
    return result;
  };
}

async function admit(options: ReceiverOptions, envelope: Envelope, payload: Uint8Array): Promise<ReceiveResult> {
  const { id: eventId, type, objectId, createdAt: eventCreatedAt, requestId } = envelope;
  if (envelope.mode !== options.mode) return { status: "rejected", reason: "wrong_mode" };
  if (envelope.account !== null) return { status: "ignored", eventId, reason: "connected_account" };
  if (!ALLOWED_WEBHOOK_EVENTS.has(type)) return { status: "ignored", eventId, reason: "event_type" };
  const lane = laneOf(envelope);
  const body = options.keepBodies ? payload : null;
  const added = await options.inbox({ eventId, type, objectId, lane, eventCreatedAt, requestId, body });
  if (!added) return { status: "duplicate", eventId };
  options.onStored();
  return { status: "accepted", eventId };
}

/** One customer's events are worked on one at a time; what names no customer goes by itself. */
export function laneOf({ customerId, objectId }: Pick<Envelope, "customerId" | "objectId">): string {
  return customerId ?? objectId;
}

/** Undefined for what is not JSON in UTF-8. */
function parseJson(payload: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
  } catch {
    return undefined;
  }
}
