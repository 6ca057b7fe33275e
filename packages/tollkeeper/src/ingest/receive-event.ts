/**
 * Receives one webhook: checks its signature, stores the event's envelope (the event without its payload), and then accepts the
 * webhook. Never throws.
 */
import type { Mode } from "../domain/records.ts";
import { describeError } from "../domain/log-text.ts";
import { TollkeeperError } from "../errors.ts";
import type { Runtime } from "../runtime.ts";
import { ALLOWED_WEBHOOK_EVENTS } from "../stripe/webhook/event-types.ts";
import { laneOf, parseEnvelope, parseHead, type Envelope, type EventHead } from "../stripe/webhook/envelope.ts";
import { findUnstorableField } from "../stripe/webhook/storable-envelope.ts";
import { readSignatureHeader, verifySignature } from "../stripe/webhook/signature.ts";
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
  | { status: "ignored"; eventId?: string; reason: "event_type" | "connected_account" }
  | { status: "rejected"; reason: string }
  | { status: "unavailable"; reason: string };

export interface ReceiveEvent {
  /**
   * Checks the `Stripe-Signature` header before the body is read. Returns the result for a webhook whose header can't be valid;
   * null if the body must be read.
   */
  checkHeader(signature: string | null): ReceiveResult | null;
  /** Receives a webhook whose body was read. */
  receive(payload: Uint8Array, signature: string | null): Promise<ReceiveResult>;
}

export function createReceiveEvent(options: ReceiveEventOptions): ReceiveEvent {
  const { runtime, secrets, toleranceMs } = options;
  const { log, trace } = runtime;

  const reject = (reason: string, fields: object): ReceiveResult => {
    log.warn({ outcome: "rejected", reason, ...fields }, "webhook rejected");
    return { status: "rejected", reason };
  };

  const receive = (payload: Uint8Array, header: string | null): ReceiveResult | Promise<ReceiveResult> => {
    const verified = verifySignature({ payload, header, secrets, toleranceMs, now: runtime.now() });
    const bytes = payload.byteLength;
    if (!verified.valid) return reject(verified.reason, { bytes });
    const body = parseJson(payload);
    const head = parseHead(body);
    if (!head) return reject("not_an_event", { bytes });
    const envelope = parseEnvelope(body, head);
    const names = {
      ...(head.id !== null && { eventId: head.id }),
      eventType: head.type,
      ...(envelope && { objectId: envelope.objectId, lane: laneOf(envelope) }),
    };
    return trace("receive_event", names, async (note) => {
      const result = findRefusal(options, head) ?? (await storeOrReject(options, envelope, payload));
      note({ outcome: result.status });
      if (result.status === "rejected")
        return reject(result.reason, { bytes, ...names, ...modes(options, head), ...unstorableField(envelope) });
      log.debug({ ...names, outcome: result.status }, "webhook received");
      return result;
    });
  };

  return {
    checkHeader(header) {
      const checked = readSignatureHeader({ header, toleranceMs, now: runtime.now() });
      return checked.valid ? null : reject(checked.reason, {});
    },

    async receive(payload, header) {
      try {
        return await receive(payload, header);
      } catch (error) {
        const reason = error instanceof TollkeeperError ? error.code : "internal_error";
        log.error(
          { outcome: "unavailable", reason, error: describeError(error) },
          "failed to store a webhook; Stripe delivers it again",
        );
        return { status: "unavailable", reason };
      }
    },
  };
}

/**
 * Returns the result for a correctly signed event that must not be stored. Returns null if the event must be stored. An event
 * of a connected account can have the other mode, because Stripe sends test events of connected accounts to live endpoints.
 */
function findRefusal({ mode }: ReceiveEventOptions, head: EventHead): ReceiveResult | null {
  const named = head.id === null ? {} : { eventId: head.id };
  if (head.isOfConnectedAccount) return { status: "ignored", ...named, reason: "connected_account" };
  if (head.mode !== null && head.mode !== mode) return { status: "rejected", reason: "wrong_mode" };
  if (!ALLOWED_WEBHOOK_EVENTS.has(head.type)) return { status: "ignored", ...named, reason: "event_type" };
  return null;
}

/** Returns the modes of the event and of the service if they differ. */
function modes({ mode }: ReceiveEventOptions, head: EventHead): object {
  return head.mode === null || head.mode === mode ? {} : { eventMode: head.mode, serviceMode: mode };
}

/** Returns the name of the envelope's field that the databases can't store, if there is one. */
function unstorableField(envelope: Envelope | null): object {
  const field = envelope && findUnstorableField(envelope);
  return field === null ? {} : { field };
}

/** Stores an event that the service needs. Rejects the event if its envelope is not readable. */
async function storeOrReject(
  { inbox, keepBodies, onStored }: ReceiveEventOptions,
  envelope: Envelope | null,
  payload: Uint8Array,
): Promise<ReceiveResult> {
  if (!envelope || findUnstorableField(envelope)) return { status: "rejected", reason: "invalid_event" };
  const { id: eventId, type, objectId, createdAt: eventCreatedAt, requestId } = envelope;
  const lane = laneOf(envelope);
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
