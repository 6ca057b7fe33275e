/**
 * Restarts PostgreSQL while the service runs. During a restart, the service must return 503, keep running, and recover on its
 * own.
 */
import type { TestPostgres } from "../support/postgres.ts";
import { addCounts, startCrashTest, type CrashResult, type CrashTestOptions } from "./crash-test.ts";
import { sleep } from "./replica.ts";

export interface PostgresRestartsOptions extends CrashTestOptions {
  postgres: TestPostgres;
  restarts: number;
  onProgress?: (line: string) => void;
}

const LONGEST_UP_MS = 2_000;
const LEAST_DOWN_MS = 300;
const LONGEST_DOWN_MS = 2_000;
/** The maximum time after a restart of PostgreSQL until the service must store events again. */
const RECOVERED_WITHIN_MS = 30_000;

export async function restartPostgres(options: PostgresRestartsOptions): Promise<CrashResult> {
  const { postgres, restarts, onProgress = () => {} } = options;
  const test = await startCrashTest(options);
  const { random, sender } = test;
  const unavailable = (): number => sender.counts.responses["503"] ?? 0;
  const pids = test.replicas.map((replica) => replica.pid());
  try {
    for (let count = 1; count <= restarts; count += 1) {
      await sleep(random.below(LONGEST_UP_MS));
      const mode = random.pick(["fast", "immediate"] as const);
      await postgres.restart(mode, LEAST_DOWN_MS + random.below(LONGEST_DOWN_MS - LEAST_DOWN_MS));
      await test.untilNextAcknowledged(RECOVERED_WITHIN_MS);
      await test.findLost();
      const { acknowledged } = sender.counts;
      onProgress(
        `${mode} restart ${count}: ${acknowledged} acknowledged, ${unavailable()} × 503, ${test.lost.length} lost`,
      );
    }
    const result = await test.finish();
    const problems = [...result.problems];
    if (test.replicas.some((replica, at) => !replica.isUp() || replica.pid() !== pids[at]))
      problems.push("the service ended during a restart of PostgreSQL");
    if (unavailable() === 0) problems.push("the service never returned 503, so the restarts tested nothing");
    return addCounts({ ...result, problems }, { restarts });
  } finally {
    await test.stop();
  }
}
