/**
 * Compares the emulator with stripe-stateful-mock over HTTP, with requests that both emulators support. Both emulators are
 * separate processes and take turns in each round of the benchmark. Part of `npm run bench`.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { Agent, request, type IncomingMessage } from "node:http";
import { fileURLToPath } from "node:url";
import { endProcess } from "../test/support/child-process.ts";
import { figuresOf, percentile, writeResult } from "./results.ts";

const CONNECTIONS = 8;
const ROUNDS = 15;
/** Number of times that each connection sends the sequence of requests in one round. */
const TURNS = 150;
const START_LIMIT_MS = 15_000;
const HEADERS = { authorization: "Bearer sk_test_bench", "content-type": "application/x-www-form-urlencoded" };

interface Candidate {
  name: string;
  port: number;
  args: string[];
  env?: Record<string, string>;
}

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const CANDIDATES: Candidate[] = [
  { name: "this emulator", port: 12_811, args: [at("../packages/emulator/src/cli.ts"), "--port", "12811"] },
  {
    name: "stripe-stateful-mock",
    port: 12_812,
    args: [at("others/node_modules/stripe-stateful-mock/dist/cli.js")],
    env: { PORT: "12812", LOG_LEVEL: "silent" },
  },
];

/** The HTTP client does little work, so that the measured time is mostly that of the servers. */
const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });

async function call(port: number, method: string, path: string, params?: Record<string, string>): Promise<string> {
  const body = params && new URLSearchParams(params).toString();
  const headers = { ...HEADERS, ...(body !== undefined && { "content-length": Buffer.byteLength(body) }) };
  const sent = request({ port, host: "127.0.0.1", method, path, agent, headers });
  sent.end(body);
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  let text = "";
  for await (const chunk of response.setEncoding("utf8")) text += String(chunk);
  if (response.statusCode !== 200) throw new Error(`${method} ${path} on ${port}: ${text}`);
  return /"id": ?"(\w+)"/.exec(text)?.[1] ?? "";
}

const REQUESTS_PER_TURN = 5;

async function turns(port: number): Promise<void> {
  for (let turn = 0; turn < TURNS; turn += 1) {
    const customer = await call(port, "POST", "/v1/customers", { email: "ada@example.com" });
    await call(port, "POST", `/v1/customers/${customer}`, { "metadata[turn]": String(turn) });
    await call(port, "GET", `/v1/customers/${customer}`);
    const product = await call(port, "POST", "/v1/products", { name: "Premium", type: "service" });
    await call(port, "GET", `/v1/products/${product}`);
  }
}

async function round({ port }: Candidate): Promise<number> {
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: CONNECTIONS }, () => turns(port)));
  return (CONNECTIONS * TURNS * REQUESTS_PER_TURN * 1_000) / (performance.now() - startedAt);
}

async function waitUntilReady({ name, port }: Candidate, child: ChildProcess): Promise<void> {
  const startedAt = performance.now();
  while (performance.now() - startedAt < START_LIMIT_MS) {
    if (child.exitCode !== null) break;
    const isReady = await call(port, "GET", "/v1/customers").then(
      () => true,
      () => false,
    );
    if (isReady) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${name} did not respond on port ${port} within ${START_LIMIT_MS} ms.`);
}

const children: ChildProcess[] = [];
try {
  for (const candidate of CANDIDATES) {
    const child = spawn(process.execPath, candidate.args, {
      env: { ...process.env, ...candidate.env },
      stdio: "ignore",
    });
    children.push(child);
    await waitUntilReady(candidate, child);
    await round(candidate);
  }
  const rates = CANDIDATES.map((): number[] => []);
  for (let index = 0; index < ROUNDS; index += 1)
    for (const [which, candidate] of CANDIDATES.entries()) rates[which]?.push(await round(candidate));
  const figures = CANDIDATES.flatMap(({ name }, which) => {
    const rate = Math.round(percentile(rates[which] ?? [], 0.5));
    console.log(`${`${name}, over HTTP`.padEnd(58)} ${rate} requests/s`);
    return figuresOf(name, { "requests (per second)": rate });
  });
  writeResult("other-emulators", figures);
} finally {
  agent.destroy();
  for (const child of children) await endProcess(child, "SIGTERM");
}
