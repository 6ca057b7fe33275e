/**
 * Fills the small file system of a SQLite database. While the disk is full, the service must return 503, keep running, and
 * recover on its own.
 */
import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { addCounts, startCrashTest, type CrashResult, type CrashTestOptions } from "./crash-test.ts";
import { sleep } from "./replica.ts";

export interface FullDiskOptions extends Omit<CrashTestOptions, "databaseUrl"> {
  times: number;
  onProgress?: (line: string) => void;
}

const SIZE = "96m";
const UP_MS = 1_500;
/**
 * The time for which the disk stays full after the first 503. On a full disk, SQLite can still write to database pages that it
 * has already allocated, so the service does not return 503 immediately.
 */
const FULL_MS = 1_000;
const UNAVAILABLE_WITHIN_MS = 60_000;
const RECOVERED_WITHIN_MS = 30_000;

/** Returns null if this process may not mount a file system. */
export async function fillDisk(options: FullDiskOptions): Promise<CrashResult | null> {
  const folder = mkdtempSync(join(tmpdir(), "tollkeeper-full-"));
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${SIZE}`, "tmpfs", folder]);
  if (mounted.status !== 0) return null;
  try {
    return await fillFolder(folder, options);
  } finally {
    spawnSync("umount", [folder]);
    rmSync(folder, { recursive: true, force: true });
  }
}

async function fillFolder(
  folder: string,
  { times, onProgress = () => {}, ...options }: FullDiskOptions,
): Promise<CrashResult> {
  const filler = join(folder, "filler");
  const test = await startCrashTest({ ...options, databaseUrl: `file:${join(folder, "full.sqlite")}` });
  const { sender } = test;
  const unavailable = (): number => sender.counts.responses["503"] ?? 0;
  const pids = test.replicas.map((replica) => replica.pid());
  try {
    for (let count = 1; count <= times; count += 1) {
      await sleep(UP_MS);
      const before = unavailable();
      const bytes = await fill(filler, () => unavailable() > before);
      rmSync(filler);
      await test.untilNextAcknowledged(RECOVERED_WITHIN_MS);
      await test.findLost();
      const { acknowledged } = sender.counts;
      onProgress(
        `time ${count}, full after ${bytes} bytes: ${acknowledged} acknowledged, ${unavailable() - before} × 503, ${test.lost.length} lost`,
      );
    }
    const result = await test.finish();
    const problems = [...result.problems];
    if (test.replicas.some((replica, at) => !replica.isUp() || replica.pid() !== pids[at]))
      problems.push("the service ended while the disk was full");
    return addCounts({ ...result, problems }, { "full disks": times });
  } finally {
    await test.stop();
  }
}

const CHUNK = 4_096;
const REFILL_MS = 20;

/**
 * Keeps the disk full until one second after the first 503. Whenever the service frees disk space, the test fills the free
 * space again. Returns the number of bytes written.
 */
async function fill(path: string, isUnavailable: () => boolean): Promise<number> {
  const file = openSync(path, "w");
  const deadline = performance.now() + UNAVAILABLE_WITHIN_MS;
  let bytes = 0;
  let until = Infinity;
  while (performance.now() < until) {
    bytes += writeUntilFull(file);
    if (until === Infinity && isUnavailable()) until = performance.now() + FULL_MS;
    if (until === Infinity && performance.now() > deadline)
      throw new Error(`the disk was full for ${UNAVAILABLE_WITHIN_MS} ms, but the service never returned 503`);
    await sleep(REFILL_MS);
  }
  closeSync(file);
  return bytes;
}

function writeUntilFull(file: number): number {
  let bytes = 0;
  try {
    for (;;) bytes += writeSync(file, Buffer.alloc(CHUNK));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    return bytes;
  }
}
