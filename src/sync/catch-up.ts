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
  /** Answers how many waiting lanes lists have told of; 0 where few wait, or another replica is at it. */
  (signal: AbortSignal): Promise<number>;
}

const DEFAULT_ABOVE = 500;
/** Most that are looked at in one run; the next one goes on. */
const MAX_LANES = 20_000;
/** A renewal is paid an hour after its period has begun, and told of then. */
const PAID_WITHIN_MS = 2 * 3_600_000;
/** What waits for another reason is not in these lists: a page that tells of so few is not worth its request. */
const LEAST_TOLD_A_PAGE = 10;
/** So many pages are read before that is judged. */
const LEAST_PAGES = 3;
/** Whoever is silent for so long has died. */
const LEASE_MS = 60_000;
const CATCH_UP_TASK = "catch_up";

export function createCatchUp(context: SweepContext, { above = DEFAULT_ABOVE }: CatchUpOptions = {}): CatchUp {
  const { store, gateway, runtime } = context;
  const holder = runtime.newId();

  const readPages = async (signal: AbortSignal): Promise<number> => {
    const waiting = await store.inbox.listWaitingLanes(runtime.now(), MAX_LANES);
    const since = Math.min(...[...waiting.values()].map(({ oldestAt }) => oldestAt)) - PAID_WITHIN_MS;
    const versions = new Map([...waiting].map(([lane, { version }]) => [lane, version]));
    const handle = handleSubscriptions(context, { versions, signal });
    let told = 0;
    let after: string | null = null;
    for (let read = 1; !signal.aborted; read += 1) {
      const upToSeq = await store.inbox.lastSeq();
      const page = await gateway.listRenewedPage(since, after);
      // How the payment of the others stands only a retrieve tells.
      const rows = page.rows.filter(({ whole, subscription }) => whole && waiting.has(subscription.customerId));
      await handle(rows, upToSeq);
      told += rows.length;
      after = page.next;
      if (!(await store.tasks.note(CATCH_UP_TASK, holder, runtime.now() + LEASE_MS, null))) return told;
      if (after === null || (read >= LEAST_PAGES && told < read * LEAST_TOLD_A_PAGE)) return told;
    }
    return told;
  };

  return async (signal) => {
    const now = runtime.now();
    if ((await store.inbox.countWaitingLanes(now, above + 1)) <= above) return 0;
    if ((await store.tasks.take(CATCH_UP_TASK, holder, now, now + LEASE_MS)) === null) return 0;
    try {
      return await runtime.trace("catch_up", {}, async (note) => {
        const told = await readPages(signal);
        note({ told });
        runtime.metrics.count("caught_up_total", {}, told);
        runtime.log.info({ told }, "renewals that waited were read by the page");
        return told;
      });
    } finally {
      await store.tasks.release(CATCH_UP_TASK, holder);
    }
  };
}
