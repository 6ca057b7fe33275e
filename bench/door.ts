/**
 * How many signed events a second a webhook endpoint takes and keeps: ours on SQLite and on PostgreSQL, beside a server that
 * only checks the signature and beside the handler that everyone writes. 32 connections that are kept, events of about 6 KB,
 * each another one; round by round in one run. Part of `npm run bench`.
 */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startPostgres } from "../test/support/postgres.ts";
import { sendForAWhile, signAhead } from "./door-client.ts";

const SECRET = "whsec_bench_secret";
/** Those before do not count: whatever a process runs for the first time is slow. */
const WARM_UP_ROUNDS = 3;
const ROUNDS = 7;
const ROUND_MS = 2_000;
const SERVER = fileURLToPath(new URL("door-server.ts", import.meta.url));

interface Candidate {
  name: string;
  kind: string;
  databaseUrl: string;
  port: number;
}

/** More than any of them takes in one round. */
const EVENTS_OF_A_ROUND = 50_000;

/** All are sent the same events, one after the other. */
async function playRound(candidates: readonly Candidate[]): Promise<number[][]> {
  const heads = signAhead(SECRET, EVENTS_OF_A_ROUND);
  const latencies: number[][] = [];
  for (const { port } of candidates)
    latencies.push(await sendForAWhile({ port, heads: heads(), until: performance.now() + ROUND_MS }));
  return latencies;
}

const median = (values: number[]): number => values.toSorted((one, other) => one - other)[values.length >> 1] ?? 0;
const percentile = (values: number[], share: number): number =>
  values.toSorted((one, other) => one - other)[Math.floor(values.length * share)] ?? 0;

const folder = mkdtempSync(join(tmpdir(), "tollkeeper-bench-"));
const postgres = await startPostgres({ durable: true });
const children: ChildProcess[] = [];
try {
  const candidates: Candidate[] = [
    { name: "checks the signature, keeps nothing", kind: "verify", databaseUrl: "", port: 12_821 },
    {
      name: "Express, constructEvent, one upsert in PostgreSQL",
      kind: "naive",
      databaseUrl: postgres.url,
      port: 12_822,
    },
    { name: "tollkeeper on SQLite", kind: "ours", databaseUrl: `file:${join(folder, "door.sqlite")}`, port: 12_823 },
    { name: "tollkeeper on PostgreSQL", kind: "ours", databaseUrl: postgres.url, port: 12_824 },
  ];
  for (const { kind, port, databaseUrl } of candidates) {
    const child = fork(SERVER, [kind, String(port), SECRET, databaseUrl], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    children.push(child);
    await once(child, "message");
  }
  for (let index = 0; index < WARM_UP_ROUNDS; index += 1) await playRound(candidates);
  const rounds: number[][][] = [];
  for (let index = 0; index < ROUNDS; index += 1) rounds.push(await playRound(candidates));
  const usual = candidates.findIndex(({ kind }) => kind === "naive");
  for (const [which, { name }] of candidates.entries()) {
    const all = rounds.map((latencies) => latencies[which] ?? []);
    const rate = median(all.map((latencies) => (latencies.length * 1_000) / ROUND_MS));
    // Of each round by itself: the machine is not as fast in one as in another.
    const times = median(rounds.map((latencies) => (latencies[which]?.length ?? 0) / (latencies[usual]?.length ?? 0)));
    const p99 = median(all.map((latencies) => percentile(latencies, 0.99)));
    console.log(
      `${name.padEnd(50)} ${String(Math.round(rate)).padStart(6)} events/s, ` +
        `${times.toFixed(1)} times the usual handler's, p99 ${p99.toFixed(1)} ms`,
    );
  }
} finally {
  for (const child of children) child.kill();
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
