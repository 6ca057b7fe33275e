/** Reads Stripe's list of events, and puts those that have not arrived into the inbox, as if they had. */
import type { Runtime } from "../runtime.ts";
import type { Envelope } from "../stripe/webhook/envelope.ts";
import { ALLOWED_WEBHOOK_EVENTS } from "../stripe/webhook/event-types.ts";
import type { Page, StripeGateway } from "../stripe/gateway/gateway.ts";
import type { Store } from "../store/open-store.ts";
import type { InboxEvent } from "../store/queue/inbox.ts";
import { laneOf } from "../ingest/receive-event.ts";
import { openRange, READERS, STRIPE_ENDS, sweep } from "./read-ranges.ts";

export interface MissedEventsContext {
  store: Pick<Store, "inbox">;
  gateway: Pick<StripeGateway, "listEventPage">;
  runtime: Runtime;
}

export interface MissedEventsOptions {
  since: number;
  /** Only counts. */
  dryRun: boolean;
  /** Whether a sweep follows, which answers most of them with fewer requests. */
  sweeping: boolean;
  /** Told after each page how many were read. */
  onPage(read: number): Promise<void>;
}

/** With more events missed than this, everything is read. */
export const SWEEP_ABOVE_MISSED = 500;
/** How long missed events wait for a sweep, which hastens them when it has ended. */
const SWEEP_HEAD_START_MS = 600_000;
/** Stripe takes at most 20 types in one list. */
const TYPES_PER_LIST = 20;

export async function takeMissedEvents(
  { store, gateway, runtime }: MissedEventsContext,
  { since, dryRun, sweeping, onPage }: MissedEventsOptions,
): Promise<{ read: number; missed: number }> {
  const types = [...ALLOWED_WEBHOOK_EVENTS.keys()];
  const counted = { read: 0, missed: 0 };
  const countMissed = async (events: readonly InboxEvent[]): Promise<number> => {
    if (dryRun) return (await store.inbox.unknown(events.map(({ eventId }) => eventId))).length;
    const now = runtime.now();
    const isBurst = sweeping || counted.missed > SWEEP_ABOVE_MISSED;
    return (await store.inbox.add(events, now, now + (isBurst ? SWEEP_HEAD_START_MS : 0))).size;
  };
  const take = async ({ rows }: Page<Envelope>): Promise<void> => {
    if (rows.length === 0) return;
    const missed = await countMissed(rows.map(toInboxEvent));
    counted.read += rows.length;
    counted.missed += missed;
  };
  for (let start = 0; start < types.length; start += TYPES_PER_LIST) {
    const some = types.slice(start, start + TYPES_PER_LIST);
    await sweep({
      // Whole seconds, as Stripe counts, so that ranges have none in common.
      ranges: [openRange(Math.floor(since / 1_000) * 1_000, STRIPE_ENDS)],
      readers: READERS,
      mark: async () => null,
      read: (range, after) => gateway.listEventPage(some, range, after),
      handle: take,
      progress: () => onPage(counted.read),
    });
  }
  return counted;
}

function toInboxEvent(envelope: Envelope): InboxEvent {
  const { id: eventId, type, objectId, createdAt: eventCreatedAt, requestId } = envelope;
  return { eventId, type, objectId, lane: laneOf(envelope), eventCreatedAt, requestId };
}
