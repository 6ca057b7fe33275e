/** SIGKILL at random instants, to one replica at a time, which is started again at once. */
import { after } from "./replica.ts";
import { openSite, type SiteOptions, type Verdict } from "./site.ts";

export interface RandomKills extends SiteOptions {
  kills: number;
  /** Ends the killing early; what has been until then is judged. */
  signal?: AbortSignal;
  /** Told now and then. */
  onProgress?: (line: string) => void;
}

/**
 * Long enough that what comes in a life is stored in it, though a process that has just started is slow. A machine that takes
 * long to start the service is given longer lives in the same measure.
 */
const LONGEST_LIFE_MS = 3_000;
const LONGEST_LIFE_IN_STARTS = 5;
const LOOK_EVERY = 25;

export async function killAtRandom({
  kills,
  signal,
  onProgress = () => {},
  ...options
}: RandomKills): Promise<Verdict> {
  const site = await openSite(options);
  const { chance, sender, lost } = site;
  try {
    const startedAt = performance.now();
    const eventsBefore = sender.counts.events;
    let kill = 0;
    let lastStartMs = 0;
    for (; kill < kills; kill += 1) {
      if (signal?.aborted) break;
      await after(chance.next() * Math.max(LONGEST_LIFE_MS, LONGEST_LIFE_IN_STARTS * lastStartMs));
      const replica = chance.pick(site.replicas);
      await replica.kill();
      const killedAt = performance.now();
      await replica.start();
      lastStartMs = performance.now() - killedAt;
      if ((kill + 1) % LOOK_EVERY !== 0) continue;
      await site.look();
      const seconds = (performance.now() - startedAt) / 1_000;
      const { events, acknowledged } = sender.counts;
      onProgress(
        `${kill + 1} of ${kills} kills, ${seconds.toFixed(0)} s: ${events} events (${((events - eventsBefore) / seconds).toFixed(0)}/s), ` +
          `${acknowledged} acknowledged, ${lost.length} lost`,
      );
    }
    const verdict = await site.finish();
    return { ...verdict, figures: `${kill} kills, ${verdict.figures}` };
  } finally {
    await site.close();
  }
}
