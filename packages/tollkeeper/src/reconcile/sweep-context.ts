/** Declares the parts of the service that reconcile uses, and the state that all pages of one list share. */
import type { Difference, Repair } from "../domain/drift.ts";
import type { ProductRecord } from "../domain/records.ts";
import type { Runtime } from "../runtime.ts";
import type { Store } from "../store/store.ts";
import type { StripeGateway } from "../stripe/gateway/gateway.ts";
import type { Sync } from "../sync/sync.ts";
import { createConcurrencyLimiter, type ForEachLimited } from "./concurrency-limiter.ts";

export interface SweepContext {
  store: Store;
  gateway: StripeGateway;
  sync: Sync;
  runtime: Runtime;
}

export const SWEPT_LISTS = ["customers", "subscriptions", "open_invoices", "refunds", "disputes"] as const;
export type SweptList = (typeof SWEPT_LISTS)[number];

export interface SweepCallbacks {
  signal: AbortSignal | undefined;
  /**
   * This function is called with the differences between one row of Stripe's list and the mirror. In a dry run, which repairs
   * nothing, `repairedBy` is null.
   */
  onDrift(differences: readonly Difference[], repairedBy: Repair | null): void;
  /**
   * This function is called with a sentence about each object that can't be read. The mirror keeps the old state of an object
   * that can't be read.
   */
  onProblem(problem: string): void;
}

export interface PageState {
  /** If true, differences between the mirror and Stripe are reported and not repaired. */
  dryRun: boolean;
  onDrift: SweepCallbacks["onDrift"];
  /** Versions that the lanes had before the list was requested from Stripe. */
  versions: Map<string, number>;
  /** Ids of all objects that the list has contained so far. */
  listedIds: Set<string>;
  /** Ids of products that the mirror has, and products that are being retrieved. */
  products: { known: Set<string>; retrieving: Map<string, Promise<ProductRecord | null>> };
  /**
   * Number of lanes written so far, and number of lanes that were written before the last update of the database's statistics.
   */
  written: { lanes: number; atLastAnalysis: number };
  /** Ids of objects that could not be read. Events about objects that could not be read stay pending. */
  failed: Set<string>;
  forEachLimited: ForEachLimited;
}

export function createPageState(
  { signal, onDrift, onProblem }: SweepCallbacks,
  { versions, dryRun }: Pick<PageState, "versions" | "dryRun">,
): PageState {
  const failed = new Set<string>();
  return {
    dryRun,
    onDrift,
    versions,
    listedIds: new Set(),
    products: { known: new Set(), retrieving: new Map() },
    written: { lanes: 0, atLastAnalysis: 0 },
    failed,
    forEachLimited: createConcurrencyLimiter({ signal, onProblem }, failed),
  };
}
