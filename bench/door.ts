/**
 * How many signed events a second a webhook endpoint takes and keeps: ours on SQLite and on PostgreSQL, beside a server that
 * only checks the signature and beside the handler that everyone writes. 32 connections that are kept, events of about 6 KB,
 * each another one; round by round in one run. Part of `npm run bench`.
 */
import { fork, type ChildProcess } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startPostgres } from "../test/support/postgres.ts";

const SECRET = "whsec_bench_secret";
const CONNECTIONS = 32;
const ROUNDS = 5;
const ROUND_MS = 2_000;
const BODY_BYTES = 6_000;
const SERVER = fileURLToPath(new URL("door-server.ts", import.meta.url));

interface Candidate {
  name: string;
  kind: string;
  databaseUrl: string;
  port: number;
}

let events = 0;

function nextRequest(): Buffer {
  events += 1;
  const object = { id: `sub_${events}`, object: "subscription", customer: `cus_${events % 5_000}`, status: "active" };
  const event = {
    id: `evt_${process.pid}_${events}`,
    object: "event",
    api_version: "2026-10-28.endive",
    created: Math.floor(Date.now() / 1_000),
    livemode: false,
    type: "customer.subscription.updated",
    data: { object: { ...object, metadata: { filler: "x".repeat(BODY_BYTES - 300) } } },
  };
  const body = JSON.stringify(event);
  const t = Math.floor(Date.now() / 1_000);
  const v1 = createHmac("sha256", SECRET).update(`${t}.${body}`).digest("hex");
  return Buffer.from(
    `POST /stripe/webhook HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\nstripe-signature: t=${t},v1=${v1}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

/** As lean as a client gets: one socket, one request after the other, and no look at an answer but its status. */
async function send(socket: Socket, until: number, latencies: number[]): Promise<void> {
  while (performance.now() < until) {
    const startedAt = performance.now();
    socket.write(nextRequest());
    let answer = "";
    while (!isWhole(answer)) {
      const [chunk] = (await once(socket, "data")) as [Buffer];
      answer += chunk.toString("latin1");
    }
    if (!answer.startsWith("HTTP/1.1 200")) throw new Error(answer.slice(0, 300));
    latencies.push(performance.now() - startedAt);
  }
}

function isWhole(answer: string): boolean {
  const end = answer.indexOf("\r\n\r\n");
  if (end < 0) return false;
  const length = /content-length: (\d+)/i.exec(answer)?.[1];
  return length === undefined ? answer.endsWith("0\r\n\r\n") : answer.length >= end + 4 + Number(length);
}

async function round({ port }: Candidate): Promise<number[]> {
  const sockets = await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      const socket = connect(port, "127.0.0.1");
      socket.setNoDelay(true);
      await once(socket, "connect");
      return socket;
    }),
  );
  const latencies: number[] = [];
  const until = performance.now() + ROUND_MS;
  await Promise.all(sockets.map((socket) => send(socket, until, latencies)));
  for (const socket of sockets) socket.destroy();
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
  for (const candidate of candidates) await round(candidate);
  const rounds = candidates.map((): number[][] => []);
  for (let index = 0; index < ROUNDS; index += 1)
    for (const [which, candidate] of candidates.entries()) rounds[which]?.push(await round(candidate));
  for (const [which, { name }] of candidates.entries()) {
    const all = rounds[which] ?? [];
    const rate = median(all.map((latencies) => (latencies.length * 1_000) / ROUND_MS));
    const p99 = median(all.map((latencies) => percentile(latencies, 0.99)));
    console.log(`${name.padEnd(58)} ${String(Math.round(rate)).padStart(6)} events/s, p99 ${p99.toFixed(1)} ms`);
  }
} finally {
  for (const child of children) child.kill();
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
