/**
 * Reads recordings of Stripe's API: files `*.jsonl` with one request and its response per line. Each line has the fields
 * scenario, version, method, path, request (form-encoded), status and body.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface Recording {
  scenario: string;
  version: string;
  method: string;
  path: string;
  /** The form-encoded body. */
  request: string;
  status: number;
  body: Record<string, unknown>;
}

/** Returns the recordings of each scenario, in the order of the requests. */
export function readRecordings(folder: string): Map<string, Recording[]> {
  const scenarios = new Map<string, Recording[]>();
  const files = readdirSync(folder).filter((name) => name.endsWith(".jsonl"));
  for (const file of files.toSorted())
    for (const line of readFileSync(join(folder, file), "utf8").split("\n").filter(Boolean)) {
      const recording = JSON.parse(line) as Recording;
      scenarios.set(recording.scenario, [...(scenarios.get(recording.scenario) ?? []), recording]);
    }
  return scenarios;
}

type Row = Record<string, unknown>;

/** Returns all objects inside a value that have a field `object`, outer objects first. */
export function objectsIn(value: unknown): Row[] {
  if (Array.isArray(value)) return value.flatMap(objectsIn);
  if (typeof value !== "object" || value === null) return [];
  const row = value as Row;
  const inner = Object.values(row).flatMap(objectsIn);
  return typeof row["object"] === "string" ? [row, ...inner] : inner;
}
