/**
 * Stores events from Stripe in the inbox, the queue of received events. Events that arrive during one commit share the next
 * commit, so a burst of events needs few commits.
 */
import { TollkeeperError, UnavailableError } from "../errors.ts";
import { nextTurn, type Runtime } from "../runtime.ts";
import type { InboxEvent } from "../store/queue/inbox.ts";
import type { Store } from "../store/store.ts";

/**
 * Stores an event. Resolves when the event is on disk. The resolved value is true for a new event and false for a duplicate.
 * Throws `UnavailableError` with the code `overloaded` if too many events wait to be stored.
 */
export type InboxWriter = (event: InboxEvent) => Promise<boolean>;

/** Maximum number of events in one commit. A larger commit would delay the events that wait for the next commit. */
const MAX_BATCH = 500;
/**
 * Maximum number of events that wait for a commit. The service needs about three seconds to store the maximum number of waiting
 * events. If too many events wait, the webhook endpoint responds with 503, and Stripe delivers the events again.
 */
const MAX_WAITING = 20_000;

interface WaitingEvent {
  event: InboxEvent;
  resolve: (added: boolean) => void;
  reject: (error: unknown) => void;
}

export function createInboxWriter({ inbox }: Pick<Store, "inbox">, { now }: Pick<Runtime, "now">): InboxWriter {
  const waiting: WaitingEvent[] = [];
  let isWriting = false;

  const writeAll = async (): Promise<void> => {
    if (isWriting) return;
    isWriting = true;
    while (waiting.length > 0) {
      // Without this wait, SQLite would commit each event in its own transaction.
      await nextTurn();
      await writeBatch(inbox, waiting.splice(0, MAX_BATCH), now());
    }
    isWriting = false;
  };

  return (event) =>
    new Promise((resolve, reject) => {
      if (waiting.length >= MAX_WAITING) {
        reject(new UnavailableError("overloaded", `${MAX_WAITING} events wait to be stored. Retry in a moment.`));
        return;
      }
      waiting.push({ event, resolve, reject });
      void writeAll();
    });
}

/**
 * Stores a batch in one commit. If the database refuses the batch because of one event, stores the two halves separately, so
 * that only the refused event fails.
 */
async function writeBatch(inbox: Store["inbox"], batch: readonly WaitingEvent[], now: number): Promise<void> {
  try {
    const added = await inbox.add(
      batch.map(({ event }) => event),
      now,
    );
    // If a batch contains an event twice, the first one is reported as new and the second one as a duplicate.
    for (const { event, resolve } of batch) resolve(added.delete(event.eventId));
  } catch (error) {
    if (batch.length > 1 && !isOutage(error)) {
      const half = Math.ceil(batch.length / 2);
      await writeBatch(inbox, batch.slice(0, half), now);
      return writeBatch(inbox, batch.slice(half), now);
    }
    for (const { reject } of batch) reject(error);
  }
}

/** Returns true if the database is unavailable, so that a smaller batch would fail too. */
function isOutage(error: unknown): boolean {
  return error instanceof TollkeeperError && error.retryable;
}
