/** PostgreSQL is stopped and started again underneath: the service says 503, lives on, and goes on by itself. */
import type { TestPostgres } from "../support/postgres.ts";
import { after } from "./replica.ts";
import { openSite, type SiteOptions, type Verdict } from "./site.ts";

export interface PostgresRestarts extends SiteOptions {
  postgres: TestPostgres;
  restarts: number;
  onProgress?: (line: string) => void;
}

const LONGEST_UP_MS = 2_000;
const LEAST_DOWN_MS = 300;
const LONGEST_DOWN_MS = 2_000;
/** How long the service may take until it stores again. */
const BACK_WITHIN_MS = 30_000;

export async function restartPostgres(options: PostgresRestarts): Promise<Verdict> {
  const { postgres, restarts, onProgress = () => {} } = options;
  const site = await openSite(options);
  const { chance, sender } = site;
  const pids = site.replicas.map((replica) => replica.pid());
  try {
    for (let count = 1; count <= restarts; count += 1) {
      await after(chance.below(LONGEST_UP_MS));
      const how = chance.pick(["fast", "immediate"] as const);
      await postgres.restart(how, LEAST_DOWN_MS + chance.below(LONGEST_DOWN_MS - LEAST_DOWN_MS));
      await site.storesAgain(BACK_WITHIN_MS);
      await site.look();
      const { acknowledged, answers } = sender.counts;
      onProgress(
        `${how} restart ${count}: ${acknowledged} acknowledged, ${answers["503"] ?? 0} × 503, ${site.lost.length} lost`,
      );
    }
    const verdict = await site.finish();
    const problems = [...verdict.problems];
    if (site.replicas.some((replica, at) => !replica.isUp() || replica.pid() !== pids[at]))
      problems.push("the service did not outlive a restart of PostgreSQL");
    if ((sender.counts.answers["503"] ?? 0) === 0) problems.push("no event was answered 503: nothing was tested");
    return { problems, figures: `${restarts} restarts of PostgreSQL, ${verdict.figures}` };
  } finally {
    await site.close();
  }
}
