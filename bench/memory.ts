/**
 * The door under load for ten minutes: the service as a process of its own, 32 connections that are kept, each event another
 * one. Its memory is looked at every ten seconds, and must not grow. Part of `npm run load`.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { sendForAWhile, signEvents } from "./door-client.ts";
import type { Usage } from "./door-server.ts";

const MINUTES = Number(process.env["BENCH_MINUTES"] ?? 10);
const SECRET = "whsec_bench_secret";
const PORT = 12_851;
const LOOK_EVERY_MS = 10_000;
const TELL_EVERY_LOOKS = 6;
/** How much more the last third may hold than the middle one: the heap breathes. */
const MOST_GROWTH = 1.15;
const MEGABYTE = 1_048_576;

interface Look {
  residentMb: number;
  heapMb: number;
}

/** Asks the service for its memory. */
async function look(): Promise<Look> {
  service.send("memory");
  const [{ memory }] = (await once(service, "message")) as [Usage];
  return { residentMb: memory.rss / MEGABYTE, heapMb: memory.heapUsed / MEGABYTE };
}

const inThirds = (values: readonly number[]): string => values.map((value) => value.toFixed(0)).join(", ");
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

const folder = mkdtempSync(join(tmpdir(), "tollkeeper-bench-"));
const service = fork(
  fileURLToPath(new URL("door-server.ts", import.meta.url)),
  ["ours", String(PORT), SECRET, `file:${join(folder, "memory.sqlite")}`],
  { stdio: ["ignore", "inherit", "inherit", "ipc"] },
);
let isFlat = false;
try {
  await once(service, "message");
  const until = performance.now() + MINUTES * 60_000;
  const sending = sendForAWhile({ port: PORT, heads: signEvents(SECRET), until });
  const looks: Look[] = [];
  while (performance.now() + LOOK_EVERY_MS <= until) {
    await sleep(LOOK_EVERY_MS);
    looks.push(await look());
    if (looks.length % TELL_EVERY_LOOKS === 0)
      console.error(
        `  after ${(looks.length * LOOK_EVERY_MS) / 60_000} min: ${looks.at(-1)?.residentMb.toFixed(0)} MB`,
      );
  }
  const latencies = await sending;
  const third = Math.floor(looks.length / 3);
  const thirds = [looks.slice(0, third), looks.slice(third, -third), looks.slice(-third)];
  const resident = thirds.map((some) => mean(some.map(({ residentMb }) => residentMb)));
  const heap = thirds.map((some) => mean(some.map(({ heapMb }) => heapMb)));
  isFlat = (resident[2] ?? Infinity) <= (resident[1] ?? 0) * MOST_GROWTH;
  console.log(
    `the door for ${MINUTES} minutes, ${latencies.length} events; in the three thirds of them resident ` +
      `${inThirds(resident)} MB, heap ${inThirds(heap)} MB: ${isFlat ? "flat" : "it grows"}`,
  );
} finally {
  service.kill();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(isFlat ? 0 : 1);
