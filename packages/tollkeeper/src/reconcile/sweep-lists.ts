/**
 * Sweeps one of Stripe's lists: reads all pages, repairs differences, and then checks the mirror's objects that the list lacks.
 */
import type { CreatedRange, Page } from "../stripe/gateway/gateway.ts";
import { openRanges, READERS, readRanges, STRIPE_ENDS, type OpenRange } from "./read-ranges.ts";
import { analyze } from "./repair.ts";
import {
  createPageState,
  type PageState,
  type SweepCallbacks,
  type SweepContext,
  type SweptList,
} from "./sweep-context.ts";
import { handleCustomerPage } from "./sweep-customers.ts";
import { handleOpenInvoicePage } from "./sweep-open-invoices.ts";
import { handleDisputePage, handleRefundPage } from "./sweep-reversals.ts";
import { handleSubscriptionPage } from "./sweep-subscriptions.ts";
import { retrieveUnlisted } from "./sweep-unlisted.ts";

export interface ListProgress {
  /** Number of rows of Stripe's list that were read so far. */
  read: number;
  /** Ranges of Stripe's list that are not completely read yet. */
  left: OpenRange[];
  /**
   * True if one sweep has read Stripe's whole list without interruption, and has checked the mirror's objects that the list
   * lacks.
   */
  readInOneRun: boolean;
}

export interface SweepListOptions extends SweepCallbacks {
  list: SweptList;
  /** Progress of the sweep, which is updated after each page of the list. */
  progress: ListProgress;
  /** If true, differences between the mirror and Stripe are reported and not repaired. */
  dryRun: boolean;
  /** This function is called after each page of the list, when `progress` is up to date. */
  onPage(): Promise<void>;
}

/** Start of the oldest range of creation times. No object at Stripe was created before the oldest range starts. */
const STRIPE_BEGAN = Date.UTC(2011, 0, 1);

/**
 * Returns the progress of a sweep that has not started. `pageEnds` contains the creation time of each page's last row, from a
 * list with a similar distribution of creation times. The creation times in `pageEnds` split the list into ranges of similar
 * size.
 */
export function notStarted(pageEnds: readonly number[] = []): ListProgress {
  const all = { from: STRIPE_BEGAN, until: STRIPE_ENDS };
  return { read: 0, left: openRanges(all, pageEnds, READERS), readInOneRun: false };
}

/**
 * Sweeps one list. Returns the creation time of the last row of each page of the list. Throws if Stripe or the store is
 * unavailable.
 */
export async function sweepList(context: SweepContext, options: SweepListOptions): Promise<number[]> {
  const { progress, list, dryRun } = options;
  if (progress.left.length === 0) return [];
  const isResumed = progress.read > 0;
  // The versions of lanes are read before the first request to Stripe. So the handling of each list page can detect lanes that
  // were written since the sweep's first request.
  const page = createPageState(options, { versions: await context.store.lanes.all(), dryRun });
  const pageEnds = await readList(context, options, page);
  if (page.written.atLastAnalysis > 0) await analyze(context.store, context.runtime, "usual");
  // A resumed sweep does not know which objects the interrupted sweep has read. So a resumed sweep can't find the objects that
  // the list lacks.
  if (isResumed) return pageEnds;
  await retrieveUnlisted(context, list, page);
  progress.readInOneRun = true;
  return pageEnds;
}

function readList(context: SweepContext, options: SweepListOptions, page: PageState): Promise<number[]> {
  const { gateway } = context;
  const run = { context, options, page };
  switch (options.list) {
    case "customers":
      return readAllPages(run, gateway.listCustomerPage, handleCustomerPage);
    case "subscriptions":
      return readAllPages(run, gateway.listSubscriptionPage, handleSubscriptionPage);
    case "open_invoices":
      return readAllPages(run, gateway.listOpenInvoicePage, handleOpenInvoicePage);
    case "refunds":
      return readAllPages(run, gateway.listRefundPage, handleRefundPage);
    case "disputes":
      return readAllPages(run, gateway.listDisputePage, handleDisputePage);
  }
}

interface ListRun {
  context: SweepContext;
  options: SweepListOptions;
  page: PageState;
}

type ReadPage<Row> = (range: CreatedRange, after: string | null) => Promise<Page<Row> | null>;
type HandlePage<Row> = (
  context: SweepContext,
  page: PageState,
  rows: readonly Row[],
  upToSeq: number,
) => Promise<unknown>;

async function readAllPages<Row>(
  { context, options, page }: ListRun,
  read: ReadPage<Row>,
  handle: HandlePage<Row>,
): Promise<number[]> {
  const { progress, onProblem, onPage } = options;
  return readRanges({
    ranges: progress.left,
    readers: READERS,
    position: () => context.store.inbox.lastSeq(),
    read,
    handle: async ({ rows, unreadable }, upToSeq) => {
      for (const { id, reason } of unreadable) {
        page.listedIds.add(id);
        onProblem(`${id} could not be read: ${reason}`);
      }
      await handle(context, page, rows, upToSeq);
    },
    progress: async (left, rows) => {
      progress.read += rows;
      progress.left = [...left];
      await onPage();
    },
  });
}
