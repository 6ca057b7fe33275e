/** Events that arrive while one commit is under way share the next: a burst costs few commits, and each waits for its own. */
import { UnavailableError } from "../errors.ts";
import type { InboxEvent, InboxStore } from "../store/inbox.ts";

/** Resolves once the event is on disk; true when it was new. Throws `UnavailableError` `overloaded` when too many wait. */
export type InboxWriter = (event: InboxEvent) => Promise<boolean>;

/** Events of one commit: more would hold up those that come after. */
const MAX_BATCH = 500;
/** Least that is split between two commits: half of it would cost each as much. */
const LEAST_SHARE = 16;
/** Where two commits can be under way, one begins as soon as so many wait: the rest is read meanwhile. */
const ENOUGH = 8;
/** How long a commit is put off at most, in turns of the event loop: a millisecond or two when they are busy. */
const MAX_TURNS = 40;
/** Events that wait for their commit; past this, Stripe is asked to come again. About three seconds' worth. */
const MAX_WAITING = 20_000;

interface Waiting {
  event: InboxEvent;
  resolve: (added: boolean) => void;
  reject: (error: unknown) => void;
}

export function createInboxWriter(
  { inbox, writers }: { inbox: Pick<InboxStore, "add">; writers: number },
  now: () => number,
): InboxWriter {
  let waiting: Waiting[] = [];
  let writing = 0;
  let gathering = false;

  const enough = writers > 1 ? ENOUGH : MAX_BATCH;

  /** As long as each turn of the event loop brings more, the commit waits: one that is shared by all costs each little. */
  const gather = async (): Promise<void> => {
    for (let turns = 0, before = 0; turns < MAX_TURNS && waiting.length > before; turns += 1) {
      if (waiting.length >= enough) return;
      before = waiting.length;
      await new Promise((resolve) => setImmediate(resolve));
    }
  };

  /** Where more than one can be under way, each takes its share: while one is written down, the next are read and answered. */
  const takeBatch = (): Waiting[] => {
    const share = Math.max(LEAST_SHARE, Math.ceil(waiting.length / writers));
    const size = Math.min(MAX_BATCH, share);
    const batch = waiting.slice(0, size);
    waiting = waiting.slice(size);
    return batch;
  };

  const writeAll = async (): Promise<void> => {
    if (gathering) return;
    gathering = true;
    while (waiting.length > 0 && writing < writers) {
      await gather();
      writing += 1;
      void writeBatch(inbox, takeBatch(), now()).then(() => {
        writing -= 1;
        return writeAll();
      });
    }
    gathering = false;
  };

  return (event) =>
    new Promise((resolve, reject) => {
      if (waiting.length >= MAX_WAITING) {
        reject(new UnavailableError("overloaded", `${MAX_WAITING} events wait to be stored. Try again in a moment.`));
        return;
      }
      waiting.push({ event, resolve, reject });
      void writeAll();
    });
}

async function writeBatch(inbox: Pick<InboxStore, "add">, batch: readonly Waiting[], now: number): Promise<void> {
  try {
    const added = await inbox.add(
      batch.map(({ event }) => event),
      now,
    );
    // The same event twice in one batch: the first is new, the second a duplicate.
    for (const { event, resolve } of batch) resolve(added.delete(event.eventId));
  } catch (error) {
    for (const { reject } of batch) reject(error);
  }
}
