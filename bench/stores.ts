/** A store on SQLite and one on PostgreSQL, whose commits are on disk: what several benches measure beside each other. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startPostgres } from "../test/support/postgres.ts";

/** Measures on one after the other, and leaves nothing behind. */
export async function onBothStores(measure: (name: string, url: string) => Promise<void>): Promise<void> {
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

/** What something costs beside few and beside many others. */
export function tellCosts(name: string, what: string, others: string, counts: number[], tookMs: number[]): void {
  const [few = 0, many = 0] = tookMs;
  console.log(
    `${name.padEnd(12)} ${what} beside ${counts[0]} ${others} ${few.toFixed(2)} ms, beside ${counts[1]} ${many.toFixed(2)} ms: ${(many / few).toFixed(2)} times`,
  );
}
