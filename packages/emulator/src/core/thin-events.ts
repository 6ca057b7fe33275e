/**
 * Makes thin events from the stored events. A thin event names the changed object but does not contain it.
 * @see https://docs.stripe.com/event-destinations#thin-events
 */
import { readFileSync } from "node:fs";
import type { StripeEvent } from "../objects/event.ts";

export interface ThinEvent {
  id: string;
  object: "v2.core.event";
  type: string;
  livemode: false;
  created: string;
  context: null;
  /** The request that caused the event; null if the passage of time or a page caused it. */
  reason: { type: "request"; request: { id: string; idempotency_key: string } } | null;
  related_object?: { id: string; type: string; url: string };
  /** The ID of the event with the whole object that reports the same change. */
  snapshot_event: string;
}

const SNAPSHOT_PREFIX = "evt_";
const THIN_PREFIX = "evt_test_";

/** Maps each type of a thin event about a v1 object to whether the event names its object. */
let namesObject: Record<string, boolean> | null = null;

function thinTypes(): Record<string, boolean> {
  namesObject ??= (
    JSON.parse(readFileSync(new URL("../schema/thin-events.json", import.meta.url), "utf8")) as {
      namesObject: Record<string, boolean>;
    }
  ).namesObject;
  return namesObject;
}

/** Returns whether Stripe has a thin event for the events of this type, such as `v1.invoice.paid` for `invoice.paid`. */
export function hasThinEvent(type: string): boolean {
  return Object.hasOwn(thinTypes(), `v1.${type}`);
}

export function toThinEvent(event: StripeEvent): ThinEvent {
  const type = `v1.${event.type}`;
  const { id: requestId, idempotency_key: key } = event.request;
  return {
    id: `${THIN_PREFIX}${event.id.slice(SNAPSHOT_PREFIX.length)}`,
    object: "v2.core.event",
    type,
    livemode: false,
    created: new Date(event.created * 1000).toISOString(),
    context: null,
    reason: requestId === null ? null : { type: "request", request: { id: requestId, idempotency_key: key ?? "" } },
    ...(thinTypes()[type] && { related_object: relatedObject(event.data.object as { id: string; object: string }) }),
    snapshot_event: event.id,
  };
}

/** Returns the ID of the event that a thin event belongs to; null if the ID is not the ID of a thin event. */
export function snapshotIdOf(thinId: string): string | null {
  return thinId.startsWith(THIN_PREFIX) ? `${SNAPSHOT_PREFIX}${thinId.slice(THIN_PREFIX.length)}` : null;
}

/** Returns a reference to an object. The URL of an object follows from its type: `checkout.session` is `checkout/sessions`. */
function relatedObject({ id, object }: { id: string; object: string }): ThinEvent["related_object"] & object {
  return { id, type: object, url: `/v1/${object.replaceAll(".", "/")}s/${encodeURIComponent(id)}` };
}
