/**
 * Runs a measurement on SQLite and on PostgreSQL. SQLite and PostgreSQL write each commit to disk before they confirm the
 * commit.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startPostgres } from "../test/support/postgres.ts";
import { figuresOf, type Figure } from "./results.ts";

/** Calls `measure` first on SQLite and then on PostgreSQL, and removes both databases at the end. */
export async function onBothStores(measure: (store: string, url: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "tollkeeper-bench-"));
  const postgres = await startPostgres({ durable: true });
  try {
    await measure("SQLite", `file:${join(folder, "bench.sqlite")}`);
    await measure("PostgreSQL", postgres.url);
  } finally {
    await postgres.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

export interface Costs {
  store: string;
  /** The name of the measured call, for example "claim". */
  call: string;
  /** The name of the rows that fill the table during the measurement, for example "waiting events". */
  others: string;
  /** For each size of the table: the time of one call in milliseconds. The smallest table comes first. */
  tookMs: ReadonlyMap<number, number>;
}

/** Prints how the time of a call grows with the size of the table, and returns the measured times. */
export function reportCosts({ store, call, others, tookMs }: Costs): Figure[] {
  const [least = 0] = tookMs.values();
  return [...tookMs].flatMap(([count, ms]) => {
    const subject = `${call}, ${count.toLocaleString("en-US")} ${others}`;
    console.log(`${store.padEnd(12)} ${subject.padEnd(50)} ${ms.toFixed(2)} ms, ratio ${(ms / least).toFixed(2)}`);
    return figuresOf(subject, { "time per call (ms)": ms, ratio: ms / least }, store);
  });
}
