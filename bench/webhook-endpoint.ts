/**
 * Measures how many signed events a webhook endpoint receives and stores in a second. Compares tollkeeper on SQLite and on
 * PostgreSQL with a server that only checks the signature, and with the usual Express handler. The client sends different
 * events of 6 KB on 32 persistent connections. In each round, the compared servers are measured one after the other. Part of
 * `npm run bench`.
 */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startPostgres } from "../test/support/postgres.ts";
import { sendEvents, signAhead } from "./webhook-endpoint-client.ts";
import { figuresOf, percentile, writeResult, type Figure } from "./results.ts";
import type { Usage } from "./webhook-endpoint-server.ts";

const SECRET = "whsec_bench_secret";
/** Number of rounds at the start whose results do not count, because a new process is slow. */
const WARM_UP_ROUNDS = 3;
const ROUNDS = 7;
const ROUND_MS = 2_000;
const SERVER = fileURLToPath(new URL("webhook-endpoint-server.ts", import.meta.url));

interface Candidate {
  name: string;
  store?: string;
  kind: string;
  databaseUrl: string;
  port: number;
}

interface Running extends Candidate {
  server: ChildProcess;
}

interface Played {
  latencies: number[];
  /** Processor time of the server for one event, in microseconds. */
  cpuUs: number;
}

/** Number of events that are signed ahead for one round, which is more than any compared server receives in a round. */
const EVENTS_OF_A_ROUND = 50_000;

/** Sends the same events to all compared servers, one server after the other. */
async function playRound(candidates: readonly Running[]): Promise<Played[]> {
  const heads = signAhead(SECRET, EVENTS_OF_A_ROUND);
  const played: Played[] = [];
  for (const { port, server } of candidates) {
    const before = await processorUs(server);
    const latencies = await sendEvents({ port, heads: heads(), until: performance.now() + ROUND_MS });
    played.push({ latencies, cpuUs: ((await processorUs(server)) - before) / latencies.length });
  }
  return played;
}

async function processorUs(server: ChildProcess): Promise<number> {
  server.send("usage");
  const [{ cpu }] = (await once(server, "message")) as [Usage];
  return cpu.user + cpu.system;
}

function report(candidates: readonly Candidate[], rounds: readonly Played[][]): Figure[] {
  const usual = candidates.findIndex(({ kind }) => kind === "naive");
  return candidates.flatMap(({ name, store }, which) => {
    const median = (figure: (played: Played, round: Played[]) => number): number =>
      percentile(
        rounds.flatMap((round) => (round[which] ? [figure(round[which], round)] : [])),
        0.5,
      );
    const rate = median(({ latencies }) => (latencies.length * 1_000) / ROUND_MS);
    // The servers are compared within each round, because the speed of the machine differs between rounds.
    const ratio = median(({ latencies }, round) => latencies.length / (round[usual]?.latencies.length ?? 0));
    const p99 = median(({ latencies }) => percentile(latencies, 0.99));
    const cpuUs = median((played) => played.cpuUs);
    console.log(
      `${`${name}${store ? ` on ${store}` : ""}`.padEnd(50)} ${rate.toFixed(0).padStart(6)} events/s, ` +
        `ratio ${ratio.toFixed(1)}, p99 ${p99.toFixed(1)} ms, server ${cpuUs.toFixed(0)} µs per event`,
    );
    const metrics = {
      "events (per second)": Math.round(rate),
      "ratio to the Express handler": ratio,
      "p99 latency (ms)": p99,
      "server CPU per event (µs)": cpuUs,
    };
    return figuresOf(name, metrics, store);
  });
}

const folder = mkdtempSync(join(tmpdir(), "tollkeeper-bench-"));
const postgres = await startPostgres({ durable: true });
const running: Running[] = [];
try {
  const candidates: Candidate[] = [
    { name: "signature check only", kind: "verify", databaseUrl: "", port: 12_821 },
    {
      name: "Express handler with one upsert",
      store: "PostgreSQL",
      kind: "naive",
      databaseUrl: postgres.url,
      port: 12_822,
    },
    {
      name: "tollkeeper",
      store: "SQLite",
      kind: "ours",
      databaseUrl: `file:${join(folder, "bench.sqlite")}`,
      port: 12_823,
    },
    { name: "tollkeeper", store: "PostgreSQL", kind: "ours", databaseUrl: postgres.url, port: 12_824 },
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
  writeResult("webhook-endpoint", report(candidates, rounds));
} finally {
  for (const { server } of running) server.kill();
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
