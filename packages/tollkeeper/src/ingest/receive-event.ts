/**
 * Receives one webhook: checks its signature, stores the event's envelope (the event without its payload), and then accepts the
 * webhook. Never throws.
 */
import type { Mode } from "../domain/records.ts";
import { TollkeeperError } from "../errors.ts";
import type { Runtime } from "../runtime.ts";
import { ALLOWED_WEBHOOK_EVENTS } from "../stripe/webhook/event-types.ts";
import { laneOf, parseEnvelope, type Envelope } from "../stripe/webhook/envelope.ts";
import { verifySignature } from "../stripe/webhook/signature.ts";
import type { InboxWriter } from "./inbox-writer.ts";

export interface ReceiveEventOptions {
  inbox: InboxWriter;
  mode: Mode;
  secrets: readonly string[];
  /** Maximum time in milliseconds by which a signature's timestamp may be before or after the current time. */
  toleranceMs: number;
  /** If true, the service stores the bodies of events in addition to their envelopes. */
  keepBodies: boolean;
  runtime: Runtime;
  /** Called after a new event was stored in the inbox. */
  onStored: () => void;
}

export type ReceiveResult =
  | { status: "accepted"; eventId: string }
  | { status: "duplicate"; eventId: string }
  | { status: "ignored"; eventId: string; reason: "event_type" | "connected_account" }
  | { status: "rejected"; reason: string }
  | { status: "unavailable"; reason: string };

export type ReceiveEvent = (payload: Uint8Array, signature: string | null) => Promise<ReceiveResult>;

export function createReceiveEvent(options: ReceiveEventOptions): ReceiveEvent {
  const { runtime, secrets, toleranceMs } = options;
  const { log, trace, metrics } = runtime;

  const reject = (reason: string, payload: Uint8Array): ReceiveResult => {
    log.warn({ outcome: "rejected", reason, bytes: payload.byteLength }, "webhook rejected");
    return { status: "rejected", reason };
  };

  const receive = (payload: Uint8Array, header: string | null): ReceiveResult | Promise<ReceiveResult> => {
    const verified = verifySignature({ payload, header, secrets, toleranceMs, now: runtime.now() });
    if (!verified.valid) return reject(verified.reason, payload);
    const envelope = parseEnvelope(parseJson(payload));
    if (!envelope) return reject("not_an_event", payload);
    const lane = laneOf(envelope);
    const names = { eventId: envelope.id, eventType: envelope.type, objectId: envelope.objectId, lane };
    return trace("receive_event", names, async (note) => {
      const result = findRefusal(options, envelope) ?? (await store(options, envelope, lane, payload));
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
      log.error(
        { outcome: "unavailable", reason, error: String(error) },
        "failed to store a webhook; Stripe delivers it again",
      );
      result = { status: "unavailable", reason };
    }
    metrics.count("webhooks_total", { outcome: result.status });
    return result;
  };
}

/** Returns the result for a correctly signed event that must not be stored. Returns null if the event must be stored. */
function findRefusal({ mode }: ReceiveEventOptions, envelope: Envelope): ReceiveResult | null {
  const eventId = envelope.id;
  if (envelope.mode !== mode) return { status: "rejected", reason: "wrong_mode" };
  if (envelope.account !== null) return { status: "ignored", eventId, reason: "connected_account" };
  if (!ALLOWED_WEBHOOK_EVENTS.has(envelope.type)) return { status: "ignored", eventId, reason: "event_type" };
  return null;
}

async function store(
  { inbox, keepBodies, onStored }: ReceiveEventOptions,
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

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Parses the payload as JSON in UTF-8. Returns undefined if the payload is not valid JSON in UTF-8. */
function parseJson(payload: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(payload));
  } catch {
    return undefined;
  }
}
