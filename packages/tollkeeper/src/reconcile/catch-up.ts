/**
 * Where more customers have hints waiting than could be asked about one by one for seconds, most of them have renewed: the
 * subscriptions that have begun a new period are read by the page, and one request answers a hundred.
 */
import { handleSubscriptions, type SweepContext } from "./sweep-lists.ts";

export interface CatchUpOptions {
  /** With more lanes than this waiting, lists are read. Default 500. */
  above?: number | undefined;
}

export interface CatchUp {
  /** Answers how many hints are done with it; 0 where few wait, or another replica is at it. Ends when told to. */
  (signal: AbortSignal): Promise<number>;
}

const DEFAULT_ABOVE = 500;
/** Most that are looked at in one run, those first that have waited longest. */
const MAX_LANES = 20_000;
/** A renewal is paid an hour after its period has begun, and told of then. */
const PAID_WITHIN_MS = 2 * 3_600_000;
/** A few that tell of something old would have all that was renewed since listed: so large a part of the oldest is left out. */
const SHARE_LEFT_OUT = 0.1;
/** What waits for another reason is not in these lists: a page that answers so few hints is not worth its request. */
const LEAST_DONE_A_PAGE = 10;
/** So many pages are read before that is judged. */
const LEAST_PAGES = 3;
/** Whoever is silent for so long has died. */
const LEASE_MS = 60_000;
const CATCH_UP_TASK = "catch_up";

type WaitingLanes = ReadonlyMap<string, { version: number; oldestAt: number }>;

export function createCatchUp(context: SweepContext, { above = DEFAULT_ABOVE }: CatchUpOptions = {}): CatchUp {
  const { store, runtime } = context;
  return async (signal) => {
    if ((await store.inbox.countWaiting(above + 1)) <= above) return 0;
    const holder = runtime.newId();
    const hold = () => store.tasks.take(CATCH_UP_TASK, holder, runtime.now(), runtime.now() + LEASE_MS);
    if ((await hold()) === null) return 0;
    let done = 0;
    try {
      const waiting = await store.inbox.listWaitingLanes(runtime.now(), MAX_LANES);
      if (waiting.size <= above) return 0;
      await runtime.trace("catch_up", { lanes: waiting.size }, async (note) => {
        await readPages(context, waiting, {
          signal,
          hold: async () => (await hold()) !== null,
          onDone: (hints) => {
            done += hints;
          },
        });
        note({ done });
      });
      runtime.log.info({ lanes: waiting.size, done }, "renewals that waited were read by the page");
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      runtime.metrics.count("caught_up_total", {}, done);
      await store.tasks.release(CATCH_UP_TASK, holder, null).catch(() => {});
    }
    return done;
  };
}

interface Run {
  signal: AbortSignal;
  /** Says that this run lives; false where another has taken it for dead. */
  hold(): Promise<boolean>;
  /** Told after each page how many hints are done with it. */
  onDone(hints: number): void;
}

async function readPages(context: SweepContext, waiting: WaitingLanes, run: Run): Promise<void> {
  const { signal } = run;
  const versions = new Map([...waiting].map(([lane, { version }]) => [lane, version]));
  const handle = handleSubscriptions(context, { versions, signal });
  const since = beganSince(waiting);
  let done = 0;
  let after: string | null = null;
  for (let read = 1; !signal.aborted; read += 1) {
    const upToSeq = await context.store.inbox.lastSeq();
    const page = await context.gateway.listRenewedPage(since, after);
    // How the payment of the others stands only a retrieve tells.
    const rows = page.rows.filter(({ whole, subscription }) => whole && waiting.has(subscription.customerId));
    const hints = await handle(rows, upToSeq);
    run.onDone(hints);
    done += hints;
    after = page.next;
    const isWorthIt = read < LEAST_PAGES || done >= read * LEAST_DONE_A_PAGE;
    if (after === null || !isWorthIt || !(await run.hold())) return;
  }
}

function beganSince(waiting: WaitingLanes): number {
  const ages = [...waiting.values()].map(({ oldestAt }) => oldestAt).toSorted((one, other) => one - other);
  return (ages[Math.floor(ages.length * SHARE_LEFT_OUT)] ?? 0) - PAID_WITHIN_MS;
}
