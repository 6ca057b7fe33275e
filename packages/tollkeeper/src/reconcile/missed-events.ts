/** Reads Stripe's list of events. Adds to the inbox each event that no webhook delivered. */
import type { Runtime } from "../runtime.ts";
import { laneOf, type Envelope } from "../stripe/webhook/envelope.ts";
import { ALLOWED_WEBHOOK_EVENTS } from "../stripe/webhook/event-types.ts";
import type { Page, StripeGateway } from "../stripe/gateway/gateway.ts";
import type { InboxEvent } from "../store/queue/inbox.ts";
import type { Store } from "../store/store.ts";
import { openRange, readRanges, READERS, STRIPE_ENDS } from "./read-ranges.ts";

export interface MissedEventsContext {
  store: Pick<Store, "inbox">;
  gateway: Pick<StripeGateway, "listEventPage">;
  runtime: Runtime;
}

export interface MissedEventsOptions {
  /** The service reads events that Stripe created since this instant, in epoch milliseconds. */
  since: number;
  /** If true, missed events are counted and not stored. */
  dryRun: boolean;
  /**
   * True if a sweep of all lists follows the reading of events. A sweep of all lists covers most of the missed events with
   * fewer requests than one retrieve per event.
   */
  sweeping: boolean;
  /** This function is called after each page of Stripe's event list, with the number of events read so far. */
  onPage(read: number): Promise<void>;
}

/** If the webhook missed more events than this number, a sweep of all lists follows. */
export const SWEEP_ABOVE_MISSED = 500;
/**
 * Milliseconds for which missed events are deferred, so that a sweep of all lists can cover them first. After the sweep, the
 * events that the sweep did not cover become due.
 */
const DEFER_FOR_SWEEP_MS = 600_000;
/** Stripe accepts at most 20 event types per request for its list of events. */
const TYPES_PER_LIST = 20;

export async function importMissedEvents(
  { store, gateway, runtime }: MissedEventsContext,
  { since, dryRun, sweeping, onPage }: MissedEventsOptions,
): Promise<{ read: number; missed: number }> {
  const types = [...ALLOWED_WEBHOOK_EVENTS.keys()];
  const counted = { read: 0, missed: 0 };
  const storeMissed = async (events: readonly InboxEvent[]): Promise<number> => {
    if (dryRun) return (await store.inbox.filterUnstored(events.map(({ eventId }) => eventId))).length;
    const now = runtime.now();
    const isBurst = sweeping || counted.missed > SWEEP_ABOVE_MISSED;
    return (await store.inbox.add(events, now, now + (isBurst ? DEFER_FOR_SWEEP_MS : 0))).size;
  };
  const handle = async ({ rows }: Page<Envelope>): Promise<void> => {
    if (rows.length === 0) return;
    const missed = await storeMissed(rows.map(toInboxEvent));
    counted.read += rows.length;
    counted.missed += missed;
  };
  for (let start = 0; start < types.length; start += TYPES_PER_LIST) {
    const some = types.slice(start, start + TYPES_PER_LIST);
    await readRanges({
      // The time range of the list request starts at a whole second, because Stripe's timestamps are whole seconds.
      ranges: [openRange(Math.floor(since / 1_000) * 1_000, STRIPE_ENDS)],
      readers: READERS,
      position: async () => null,
      read: (range, after) => gateway.listEventPage(some, range, after),
      handle,
      progress: () => onPage(counted.read),
    });
  }
  return counted;
}

function toInboxEvent(envelope: Envelope): InboxEvent {
  const { id: eventId, type, objectId, createdAt: eventCreatedAt, requestId } = envelope;
  return { eventId, type, objectId, lane: laneOf(envelope), eventCreatedAt, requestId };
}
