/** Kills the service for real and compares what is left with what it has acknowledged: what `npm run crash` starts. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { fillDisk } from "./full-disk.ts";
import { killAtMarks } from "./marked-points.ts";
import { restartPostgres } from "./postgres-restarts.ts";
import { killAtRandom } from "./random-kills.ts";
import type { Verdict } from "./site.ts";

interface Setting {
  databaseUrl: string;
  /** Null on SQLite. */
  postgres: TestPostgres | null;
  seed: number;
  kills: number;
  signal: AbortSignal;
  onProgress: (line: string) => void;
}

/** Answers why it can't be played here, or what came of it. */
type Part = (setting: Setting) => Promise<Verdict | string>;

const ROUNDS_OF_MARKS = 3;
const RESTARTS = 10;
const TIMES_FULL = 5;
/** Of all kills each, since replicas are killed at random in the first part, too. */
const KILLS_OF_REPLICAS = 0.1;

const killReplicas =
  (replicas: number): Part =>
  async ({ postgres, kills, ...setting }) =>
    postgres ? killAtRandom({ ...setting, replicas, kills: Math.ceil(kills * KILLS_OF_REPLICAS) }) : "needs PostgreSQL";

const PARTS: Readonly<Record<string, Part>> = {
  random: killAtRandom,
  marks: (setting) => killAtMarks({ ...setting, rounds: ROUNDS_OF_MARKS }),
  restarts: async ({ postgres, ...setting }) =>
    postgres ? restartPostgres({ ...setting, postgres, restarts: RESTARTS }) : "needs PostgreSQL",
  disk: async (setting) => {
    if (setting.postgres) return "needs SQLite";
    return (
      (await fillDisk({ ...setting, times: TIMES_FULL })) ?? "this machine lets nobody mount a small tmpfs: be root"
    );
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
// To this process alone: Ctrl-C reaches PostgreSQL and the service, too, and there is nothing left to judge.
process.once("SIGTERM", () => stopping.abort());

let failed = false;
for (const store of stores)
  for (const part of parts) {
    console.log(`${part} on ${store}, seed ${seed}`);
    const verdict = await play(store, part);
    if (typeof verdict === "string") {
      console.log(`  skipped: ${verdict}`);
      continue;
    }
    console.log(`  ${verdict.figures}`);
    for (const problem of verdict.problems) console.log(`  ! ${problem}`);
    failed ||= verdict.problems.length > 0;
  }
process.exit(failed ? 1 : 0);

async function play(store: string, part: string): Promise<Verdict | string> {
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
  console.error(`--${name} "${value}" must be one of ${known.join(", ")}`);
  process.exit(1);
}

function wholeNumber(name: string, value: string): number {
  const number = Number(value);
  if (Number.isInteger(number) && number >= 0) return number;
  console.error(`--${name} "${value}" must be a whole number`);
  process.exit(1);
}
