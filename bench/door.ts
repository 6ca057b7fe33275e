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
import type { Usage } from "./door-server.ts";

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

interface Running extends Candidate {
  server: ChildProcess;
}

interface Played {
  latencies: number[];
  /** What the server spent on an event, in microseconds of the processor. */
  spent: number;
}

/** More than any of them takes in one round. */
const EVENTS_OF_A_ROUND = 50_000;

/** All are sent the same events, one after the other. */
async function playRound(candidates: readonly Running[]): Promise<Played[]> {
  const heads = signAhead(SECRET, EVENTS_OF_A_ROUND);
  const played: Played[] = [];
  for (const { port, server } of candidates) {
    const before = await processorUs(server);
    const latencies = await sendForAWhile({ port, heads: heads(), until: performance.now() + ROUND_MS });
    played.push({ latencies, spent: ((await processorUs(server)) - before) / latencies.length });
  }
  return played;
}

async function processorUs(server: ChildProcess): Promise<number> {
  server.send("usage");
  const [{ cpu }] = (await once(server, "message")) as [Usage];
  return cpu.user + cpu.system;
}

const median = (values: number[]): number => values.toSorted((one, other) => one - other)[values.length >> 1] ?? 0;
const percentile = (values: number[], share: number): number =>
  values.toSorted((one, other) => one - other)[Math.floor(values.length * share)] ?? 0;

const folder = mkdtempSync(join(tmpdir(), "tollkeeper-bench-"));
const postgres = await startPostgres({ durable: true });
const running: Running[] = [];
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
  for (const candidate of candidates) {
    const { kind, port, databaseUrl } = candidate;
    const server = fork(SERVER, [kind, String(port), SECRET, databaseUrl], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    running.push({ ...candidate, server });
    await once(server, "message");
  }
  for (let index = 0; index < WARM_UP_ROUNDS; index += 1) await playRound(running);
  const rounds: Played[][] = [];
  for (let index = 0; index < ROUNDS; index += 1) rounds.push(await playRound(running));
  const usual = candidates.findIndex(({ kind }) => kind === "naive");
  for (const [which, { name }] of candidates.entries()) {
    const ofRounds = (figure: (played: Played, round: Played[]) => number): number =>
      median(rounds.flatMap((round) => (round[which] ? [figure(round[which], round)] : [])));
    const rate = ofRounds(({ latencies }) => (latencies.length * 1_000) / ROUND_MS);
    // Of each round by itself: the machine is not as fast in one as in another.
    const times = ofRounds(({ latencies }, round) => latencies.length / (round[usual]?.latencies.length ?? 0));
    const p99 = ofRounds(({ latencies }) => percentile(latencies, 0.99));
    const spent = ofRounds((played) => played.spent);
    console.log(
      `${name.padEnd(50)} ${rate.toFixed(0).padStart(6)} events/s, ${times.toFixed(1)} times the usual handler's, ` +
        `p99 ${p99.toFixed(1)} ms, the server spends ${spent.toFixed(0)} µs on an event`,
    );
  }
} finally {
  for (const { server } of running) server.kill();
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
