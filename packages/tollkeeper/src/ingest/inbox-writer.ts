/** Events that arrive while one commit is under way share the next: a burst costs few commits, and each waits for its own. */
import { UnavailableError } from "../errors.ts";
import type { Runtime } from "../runtime.ts";
import type { Store } from "../store/open-store.ts";
import type { InboxEvent } from "../store/queue/inbox.ts";

/** Resolves once the event is on disk; true when it was new. Throws `UnavailableError` `overloaded` when too many wait. */
export type InboxWriter = (event: InboxEvent) => Promise<boolean>;

/** Events of one commit: more would hold up those that come after. */
const MAX_BATCH = 500;
/** Where this process goes on during a commit, the next begins once so many wait: what comes after is read meanwhile. */
const ENOUGH = 12;
/** Many times what a commit takes: beside one that is under way for longer, another begins with whatever waits. */
const HELD_UP_MS = 50;
/** How long a commit is put off at most, in turns of the event loop, which take a millisecond or two in all. */
const MAX_TURNS = 40;
/** The same in time: where other work makes turns long, each brings more. */
const MAX_GATHERING_MS = 10;
/** Events that wait for their commit; past this, Stripe is asked to come again. About three seconds' worth. */
const MAX_WAITING = 20_000;

const NEVER_ABORTED = new AbortController().signal;

interface Waiting {
  event: InboxEvent;
  resolve: (added: boolean) => void;
  reject: (error: unknown) => void;
}

export function createInboxWriter(
  { inbox, writers }: Pick<Store, "inbox" | "writers">,
  { now, sleep }: Pick<Runtime, "now" | "sleep">,
): InboxWriter {
  const waiting: Waiting[] = [];
  let underWay = 0;
  let lastBeganAt = 0;
  let gathering = false;
  let watching = false;

  const enough = writers > 1 ? ENOUGH : MAX_BATCH;

  /** As long as each turn of the event loop brings more, the commit waits: one that is shared by all costs each little. */
  const gather = async (): Promise<void> => {
    const beganAt = now();
    for (let turns = 0, before = 0; turns < MAX_TURNS && waiting.length > before; turns += 1) {
      if (waiting.length >= enough || now() - beganAt >= MAX_GATHERING_MS) return;
      before = waiting.length;
      await new Promise((resolve) => setImmediate(resolve));
    }
  };

  /** A commit beside another takes enough to be worth it: two share the events, and cost each as much. */
  const mayBegin = (): boolean =>
    underWay === 0 || (underWay < writers && (waiting.length >= ENOUGH || now() - lastBeganAt >= HELD_UP_MS));

  const write = async (batch: readonly Waiting[]): Promise<void> => {
    underWay += 1;
    lastBeganAt = now();
    if (writers > 1) void watch();
    await writeBatch(inbox, batch, lastBeganAt);
    underWay -= 1;
    return writeAll();
  };

  /** What waits beside a commit that is held up may be the last that comes. */
  const watch = async (): Promise<void> => {
    if (watching) return;
    watching = true;
    await sleep(HELD_UP_MS, NEVER_ABORTED);
    watching = false;
    if (underWay === 0) return;
    void writeAll();
    void watch();
  };

  const writeAll = async (): Promise<void> => {
    if (gathering) return;
    gathering = true;
    while (waiting.length > 0 && mayBegin()) {
      await gather();
      void write(waiting.splice(0, MAX_BATCH));
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

async function writeBatch(inbox: Store["inbox"], batch: readonly Waiting[], now: number): Promise<void> {
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
