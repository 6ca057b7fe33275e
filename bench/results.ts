/**
 * Writes what a program measured to `bench/results/NAME.json`. `tools/performance.mjs` makes docs/performance.md from the files
 * in `bench/results`.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, totalmem, type as systemName, release } from "node:os";
import { fileURLToPath } from "node:url";

export interface Figure {
  /** Name of the part of the program that was measured. */
  subject: string;
  store?: string;
  metric: string;
  /** Unit of the value, such as "ms". The unit is empty if the value is a count. */
  unit: string;
  value: number;
}

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const FOLDER = `${ROOT}bench/results/`;
const SIGNIFICANT_DIGITS = 3;
const GIGABYTE = 2 ** 30;

/**
 * Writes the results file of one program. Writes no results file if a `BENCH_…` variable is set, because such a variable
 * changes the size of the run.
 */
export function writeResult(name: string, figures: readonly Figure[]): void {
  const changed = Object.keys(process.env).filter((variable) => variable.startsWith("BENCH_"));
  if (changed.length > 0) {
    console.log(`not recorded, because ${changed.join(", ")} is set`);
    return;
  }
  const result = {
    name,
    date: new Date().toISOString().slice(0, 10),
    commit: lastCommit(),
    machine: describeMachine(),
    figures: figures.map((figure) => ({ ...figure, value: rounded(figure.value) })),
  };
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(`${FOLDER}${name}.json`, `${JSON.stringify(result, null, 2)}\n`);
  console.log(`wrote bench/results/${name}.json`);
}

/**
 * Returns the figures of one measured subject. `metrics` contains the measured value for each metric's name. The name of a
 * metric may end with its unit in parentheses.
 */
export function figuresOf(subject: string, metrics: Readonly<Record<string, number>>, store?: string): Figure[] {
  return Object.entries(metrics).map(([label, value]) => {
    const [, metric = label, unit = ""] = /^(.*?)(?: \(([^)]*)\))?$/.exec(label) ?? [];
    return { subject, ...(store !== undefined && { store }), metric, unit, value };
  });
}

/**
 * Returns a percentile of a list of numbers: the number that is larger than the fraction `share` of the list. For example,
 * `share` is 0.99 for p99.
 */
export function percentile(values: readonly number[], share: number): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length * share)] ?? 0;
}

function git(...args: string[]): string {
  return execFileSync("git", args, { cwd: ROOT, encoding: "utf8" }).trim();
}

function rounded(value: number): number {
  return Number.isInteger(value) ? value : Number(value.toPrecision(SIGNIFICANT_DIGITS));
}

function describeMachine() {
  const processors = cpus();
  return {
    cpu: processors[0]?.model.trim() ?? "unknown",
    cores: processors.length,
    memoryGb: Math.round(totalmem() / GIGABYTE),
    node: process.version,
    os: `${systemName()} ${release()}`,
  };
}

/** Returns the short hash of the last commit. Adds a "+" to the hash if tracked files have changed since the last commit. */
function lastCommit(): string {
  try {
    return (
      git("rev-parse", "--short", "HEAD") +
      (git("status", "--porcelain", "--untracked-files=no", ":!bench/results") === "" ? "" : "+")
    );
  } catch {
    return "unknown";
  }
}
