/** SQLite on a small file system that is filled up and emptied again: the service says 503, lives on, and goes on by itself. */
import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "./replica.ts";
import { openSite, type SiteOptions, type Verdict } from "./site.ts";

export interface FullDisk extends Omit<SiteOptions, "databaseUrl"> {
  times: number;
  onProgress?: (line: string) => void;
}

const SIZE = "96m";
const UP_MS = 1_500;
/** How long it stays full once it is felt: until then SQLite writes where it has written before. */
const FULL_MS = 1_000;
const FELT_WITHIN_MS = 60_000;
const BACK_WITHIN_MS = 30_000;

/** Null where this machine lets nobody mount a small file system. */
export async function fillDisk({ times, onProgress = () => {}, ...options }: FullDisk): Promise<Verdict | null> {
  const folder = mkdtempSync(join(tmpdir(), "tollkeeper-full-"));
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${SIZE}`, "tmpfs", folder]);
  if (mounted.status !== 0) return null;
  const ballast = join(folder, "ballast");
  try {
    const site = await openSite({ ...options, databaseUrl: `file:${join(folder, "full.sqlite")}` });
    const { sender } = site;
    const refused = (): number => sender.counts.answers["503"] ?? 0;
    const pids = site.replicas.map((replica) => replica.pid());
    try {
      for (let count = 1; count <= times; count += 1) {
        await after(UP_MS);
        const before = refused();
        const bytes = await fill(ballast, () => refused() > before);
        rmSync(ballast);
        await site.storesAgain(BACK_WITHIN_MS);
        await site.look();
        onProgress(
          `full by ${bytes} bytes, time ${count}: ${sender.counts.acknowledged} acknowledged, ${refused() - before} × 503, ${site.lost.length} lost`,
        );
      }
      const verdict = await site.finish();
      const problems = [...verdict.problems];
      if (site.replicas.some((replica, at) => !replica.isUp() || replica.pid() !== pids[at]))
        problems.push("the service did not outlive a full disk");
      return { problems, figures: `${times} times a full disk, ${verdict.figures}` };
    } finally {
      await site.close();
    }
  } finally {
    spawnSync("umount", [folder]);
    rmSync(folder, { recursive: true, force: true });
  }
}

const PIECE = 4_096;
const FILL_AGAIN_MS = 20;

/** Takes every free byte, also what the service frees meanwhile, until it is felt and some time more; answers how many. */
async function fill(path: string, isFelt: () => boolean): Promise<number> {
  const file = openSync(path, "w");
  const deadline = performance.now() + FELT_WITHIN_MS;
  let bytes = 0;
  let until = Infinity;
  while (performance.now() < until) {
    try {
      for (;;) bytes += writeSync(file, Buffer.alloc(PIECE));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    }
    if (until === Infinity && isFelt()) until = performance.now() + FULL_MS;
    if (until === Infinity && performance.now() > deadline)
      throw new Error(`the disk was full for ${FELT_WITHIN_MS} ms, and no event was answered 503`);
    await after(FILL_AGAIN_MS);
  }
  closeSync(file);
  return bytes;
}
