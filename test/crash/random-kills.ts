/** Kills one replica at a time with SIGKILL at random moments, and starts it again immediately. */
import { addCounts, startCrashTest, type CrashResult, type CrashTest, type CrashTestOptions } from "./crash-test.ts";
import { sleep } from "./replica.ts";

export interface RandomKillsOptions extends CrashTestOptions {
  kills: number;
  /**
   * Makes the test skip the kills that remain. After the signal aborts, the test only checks the outcome of the kills that have
   * already happened.
   */
  signal?: AbortSignal;
  /** The test calls this function with a progress report after every 25 kills. */
  onProgress?: (line: string) => void;
}

/**
 * The maximum time from the start of a replica to its kill. The time from a replica's start to its kill is so long that even a
 * slow new process usually stores events before the test kills it. On slow machines, a replica may run longer, in proportion to
 * the duration of its last start.
 */
const LONGEST_LIFE_MS = 3_000;
const LONGEST_LIFE_IN_STARTS = 5;
const REPORT_EVERY = 25;

export async function killAtRandom({
  kills,
  signal,
  onProgress = () => {},
  ...options
}: RandomKillsOptions): Promise<CrashResult> {
  const test = await startCrashTest(options);
  try {
    const describe = createProgress(test);
    let kill = 0;
    let lastStartMs = 0;
    for (; kill < kills; kill += 1) {
      if (signal?.aborted) break;
      await sleep(test.random.next() * Math.max(LONGEST_LIFE_MS, LONGEST_LIFE_IN_STARTS * lastStartMs));
      const replica = test.random.pick(test.replicas);
      await replica.kill();
      const killedAt = performance.now();
      await replica.start();
      lastStartMs = performance.now() - killedAt;
      if ((kill + 1) % REPORT_EVERY !== 0) continue;
      await test.findLost();
      onProgress(`${kill + 1} of ${kills} kills, ${describe()}`);
    }
    return addCounts(await test.finish(), { kills: kill });
  } finally {
    await test.stop();
  }
}

/** Returns a function that describes the progress of the kills since the call of `createProgress`. */
function createProgress({ sender, lost }: CrashTest): () => string {
  const startedAt = performance.now();
  const eventsBefore = sender.counts.events;
  return () => {
    const seconds = (performance.now() - startedAt) / 1_000;
    const { events, acknowledged } = sender.counts;
    const perSecond = ((events - eventsBefore) / seconds).toFixed(0);
    return `${seconds.toFixed(0)} s: ${events} events (${perSecond}/s), ${acknowledged} acknowledged, ${lost.length} lost`;
  };
}
