/** Kills real processes of the service and checks that no acknowledged event is lost. Started by `npm run crash`. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { figuresOf, writeResult, type Figure } from "../../bench/results.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { fillDisk } from "./full-disk.ts";
import { killAtPoints } from "./kill-points.ts";
import { restartPostgres } from "./postgres-restarts.ts";
import { killAtRandom } from "./random-kills.ts";
import type { CrashResult } from "./crash-test.ts";

interface Setting {
  databaseUrl: string;
  /** Null on SQLite. */
  postgres: TestPostgres | null;
  seed: number;
  kills: number;
  signal: AbortSignal;
  onProgress: (line: string) => void;
}

/** Runs one part of the crash test. Returns its result, or the reason why this machine cannot run it. */
type Part = (setting: Setting) => Promise<CrashResult | string>;

const STORE_NAMES: Readonly<Record<string, string>> = { sqlite: "SQLite", postgres: "PostgreSQL" };
const ROUNDS_OF_POINTS = 3;
const RESTARTS = 10;
const TIMES_FULL = 5;
/**
 * The share of all kills that each part of the crash test with several replicas performs. The part with one replica also kills
 * at random moments.
 */
const SHARE_OF_KILLS = 0.1;

const killReplicas =
  (replicas: number): Part =>
  async ({ postgres, kills, ...setting }) =>
    postgres ? killAtRandom({ ...setting, replicas, kills: Math.ceil(kills * SHARE_OF_KILLS) }) : "needs PostgreSQL";

const PARTS: Readonly<Record<string, Part>> = {
  random: killAtRandom,
  marks: (setting) => killAtPoints({ ...setting, rounds: ROUNDS_OF_POINTS }),
  restarts: async ({ postgres, ...setting }) =>
    postgres ? restartPostgres({ ...setting, postgres, restarts: RESTARTS }) : "needs PostgreSQL",
  disk: async (setting) => {
    if (setting.postgres) return "needs SQLite";
    return (await fillDisk({ ...setting, times: TIMES_FULL })) ?? "needs root, to mount a small tmpfs";
  },
  two: killReplicas(2),
  four: killReplicas(4),
};

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "100" },
    store: { type: "string" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
    part: { type: "string" },
  },
});
const stores = oneOf("store", values.store, ["sqlite", "postgres"]);
const parts = oneOf("part", values.part, Object.keys(PARTS));
const [kills, seed] = [wholeNumber("kills", values.kills), wholeNumber("seed", values.seed)];
const stopping = new AbortController();
// To end the crash test early, send SIGTERM only to the main process. Ctrl-C also ends PostgreSQL and the service, so the crash
// test could not check its outcome.
process.once("SIGTERM", () => stopping.abort());

let failed = false;
const figures: Figure[] = [];
for (const store of stores)
  for (const part of parts) {
    console.log(`${part} on ${store}, seed ${seed}`);
    const result = await play(store, part);
    if (typeof result === "string") {
      console.log(`  skipped: ${result}`);
      continue;
    }
    console.log(`  ${describe(result.counts)}`);
    for (const problem of result.problems) console.log(`  ! ${problem}`);
    figures.push(...figuresOf(part, result.counts, STORE_NAMES[store]));
    failed ||= result.problems.length > 0;
  }
if (figures.length > 0) writeResult("crash", figures);
process.exit(failed ? 1 : 0);

function describe(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${name}: ${count}`)
    .join(", ");
}

async function play(store: string, part: string): Promise<CrashResult | string> {
  const folder = mkdtempSync(join(tmpdir(), "tollkeeper-crash-"));
  const postgres = store === "postgres" ? await startPostgres({ durable: true }) : null;
  try {
    const setting: Setting = {
      databaseUrl: postgres?.url ?? `file:${join(folder, "crash.sqlite")}`,
      postgres,
      seed,
      kills,
      signal: stopping.signal,
      onProgress: (line) => console.log(`  ${line}`),
    };
    return await (PARTS[part] as Part)(setting);
  } finally {
    await postgres?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function oneOf(name: string, value: string | undefined, known: readonly string[]): readonly string[] {
  if (value === undefined) return known;
  if (known.includes(value)) return [value];
  console.error(`--${name} "${value}" is invalid. Use one of ${known.join(", ")}.`);
  process.exit(1);
}

function wholeNumber(name: string, value: string): number {
  const number = Number(value);
  if (Number.isInteger(number) && number >= 0) return number;
  console.error(`--${name} "${value}" is invalid. Use a whole number.`);
  process.exit(1);
}
