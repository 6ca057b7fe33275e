/** Reads Stripe's list of events, and puts those that have not arrived into the inbox, as if they had. */
import type { Runtime } from "../runtime.ts";
import type { Envelope } from "../stripe/envelope.ts";
import { ALLOWED_WEBHOOK_EVENTS } from "../stripe/event-types.ts";
import type { Page, StripeGateway } from "../stripe/gateway.ts";
import type { Store } from "../store/database.ts";
import { laneOf } from "./receive-event.ts";

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
/** How long missed events wait for a sweep. */
const SWEEP_HEAD_START_MS = 600_000;
/** Stripe takes at most 20 types in one list. */
const TYPES_PER_LIST = 20;

export async function takeMissedEvents(
  { store, gateway, runtime }: MissedEventsContext,
  { since, dryRun, sweeping, onPage }: MissedEventsOptions,
): Promise<{ read: number; missed: number }> {
  const types = [...ALLOWED_WEBHOOK_EVENTS.keys()];
  const counted = { read: 0, missed: 0 };
  const isBurst = (): boolean => sweeping || counted.missed > SWEEP_ABOVE_MISSED;
  for (let start = 0; start < types.length; start += TYPES_PER_LIST) {
    const some = types.slice(start, start + TYPES_PER_LIST);
    let after: string | null = null;
    do {
      const page: Page<Envelope> = await gateway.listEventPage(some, since, after);
      const events = page.rows.map((envelope) => ({
        eventId: envelope.id,
        type: envelope.type,
        objectId: envelope.objectId,
        lane: laneOf(envelope),
        eventCreatedAt: envelope.createdAt,
        requestId: envelope.requestId,
      }));
      counted.read += events.length;
      const now = runtime.now();
      if (dryRun) counted.missed += (await store.inbox.unknown(events.map(({ eventId }) => eventId))).length;
      else if (events.length > 0)
        counted.missed += (await store.inbox.add(events, now, now + (isBurst() ? SWEEP_HEAD_START_MS : 0))).size;
      await onPage(counted.read);
      after = page.next;
    } while (after !== null);
  }
  return counted;
}
