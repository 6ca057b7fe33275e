/**
 * Sends events to the webhook endpoint for ten minutes and reads the memory of its process every ten seconds. The program fails
 * if the memory of the endpoint's process grows during the run. Part of `npm run load`.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { figuresOf, writeResult } from "./results.ts";
import { sendEvents, signEvents } from "./webhook-endpoint-client.ts";
import type { Usage } from "./webhook-endpoint-server.ts";

const MINUTES = Number(process.env["BENCH_MINUTES"] ?? 10);
const SECRET = "whsec_bench_secret";
const PORT = 12_851;
const LOOK_EVERY_MS = 10_000;
const REPORT_EVERY_LOOKS = 6;
/**
 * Largest allowed ratio of the memory in the last third of the run to the memory in the middle third. The allowed memory ratio
 * is above 1, because the size of the heap always varies a little.
 */
const MOST_GROWTH = 1.15;
const NAMES = ["first third", "middle third", "last third"];
const MEGABYTE = 1_048_576;

interface Look {
  residentMb: number;
  heapMb: number;
}

/** Asks the service's process for its memory use. */
async function look(): Promise<Look> {
  service.send("memory");
  const [{ memory }] = (await once(service, "message")) as [Usage];
  return { residentMb: memory.rss / MEGABYTE, heapMb: memory.heapUsed / MEGABYTE };
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

const folder = mkdtempSync(join(tmpdir(), "tollkeeper-bench-"));
const service = fork(
  fileURLToPath(new URL("webhook-endpoint-server.ts", import.meta.url)),
  ["ours", String(PORT), SECRET, `file:${join(folder, "memory.sqlite")}`],
  { stdio: ["ignore", "inherit", "inherit", "ipc"] },
);
let isFlat = false;
try {
  await once(service, "message");
  const until = performance.now() + MINUTES * 60_000;
  const sending = sendEvents({ port: PORT, heads: signEvents(SECRET), until });
  const looks: Look[] = [];
  while (performance.now() + LOOK_EVERY_MS <= until) {
    await sleep(LOOK_EVERY_MS);
    looks.push(await look());
    if (looks.length % REPORT_EVERY_LOOKS === 0)
      console.error(
        `  after ${(looks.length * LOOK_EVERY_MS) / 60_000} min: ${looks.at(-1)?.residentMb.toFixed(0)} MB`,
      );
  }
  const latencies = await sending;
  const third = Math.floor(looks.length / 3);
  const thirds = [looks.slice(0, third), looks.slice(third, -third), looks.slice(-third)];
  const means = thirds.map((some) => ({
    "resident memory (MB)": mean(some.map(({ residentMb }) => residentMb)),
    "heap (MB)": mean(some.map(({ heapMb }) => heapMb)),
  }));
  const [, middle, last] = means.map((metrics) => metrics["resident memory (MB)"]);
  isFlat = (last ?? Infinity) <= (middle ?? 0) * MOST_GROWTH;
  for (const [index, metrics] of means.entries()) {
    const figures = Object.entries(metrics).map(([metric, value]) => `${metric} ${value.toFixed(0)}`);
    console.log(`${NAMES[index]}: ${figures.join(", ")}`);
  }
  console.log(
    `${latencies.length} events in ${MINUTES} minutes: ${isFlat ? "the memory is stable" : "the memory grows"}`,
  );
  writeResult("memory", [
    ...means.flatMap((metrics, index) => figuresOf(NAMES[index] ?? "", metrics, "SQLite")),
    ...figuresOf(`all ${MINUTES} minutes`, { events: latencies.length }, "SQLite"),
  ]);
} finally {
  service.kill();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(isFlat ? 0 : 1);
