/**
 * Runs a replica of the service in a separate process. After a kill, a standby process replaces the killed process immediately.
 */
import { fork, type ChildProcess } from "node:child_process";
import type { Bundle } from "./bundle.ts";

export interface Replica {
  port: number;
  /**
   * Starts the replica again after its process has ended. Resolves when the replica accepts requests. If the argument is a
   * `KillPoint` as JSON, the replica kills itself at that kill point.
   */
  start(killPoint?: string): Promise<void>;
  /** Sends SIGKILL and waits until the process has ended. */
  kill(): Promise<void>;
  /** Sends SIGTERM and waits until the process has ended. */
  stop(): Promise<void>;
  /** Waits until the replica ends on its own. Throws if the replica still runs after `ms` milliseconds. */
  diesWithin(ms: number): Promise<void>;
  isUp(): boolean;
  pid(): number | undefined;
  /** Returns the replica's output since its start, but at most the last 20,000 characters. */
  output(): string;
  close(): Promise<void>;
}

const KILL_AT_POINT = new URL("kill-at-point.ts", import.meta.url).href;
const START_TIMEOUT_MS = 30_000;
const MAX_OUTPUT = 20_000;

interface ServiceProcess {
  child: ChildProcess;
  loaded: Promise<void>;
  exited: Promise<void>;
  isOver: boolean;
}

export interface ReplicaOptions {
  port: number;
  env: Readonly<Record<string, string>>;
  bundle: Bundle;
}

export function createReplica(options: ReplicaOptions): Replica {
  const { port } = options;
  let output = "";
  let standby: ServiceProcess | null = null;
  let current: ServiceProcess | null = null;
  const load = (killPoint?: string): ServiceProcess =>
    loadProcess(options, killPoint, (text) => {
      output = (output + text).slice(-MAX_OUTPUT);
    });
  const failure = (text: string): Error => new Error(`the service on port ${port} ${text}:\n${output}`);
  return {
    port,
    async start(killPoint) {
      if (current && !current.isOver) throw failure("is already running");
      const started = (killPoint === undefined ? standby : null) ?? load(killPoint);
      if (killPoint === undefined) standby = null;
      current = started;
      output = "";
      await Promise.race([started.loaded, started.exited]);
      if (!started.isOver) started.child.send("start");
      await untilServing(started);
      // A replica that kills itself at a kill point may end before it reports that it has started.
      if (started.isOver && killPoint === undefined) throw failure("ended during its start");
      standby ??= load();
    },
    kill: () => killProcess(current),
    async stop() {
      current?.child.kill("SIGTERM");
      await current?.exited;
    },
    async diesWithin(ms) {
      if (!current) throw failure("was never started");
      await within(ms, current.exited);
      if (!current.isOver) throw failure(`was still running after ${ms} ms`);
    },
    isUp: () => current !== null && !current.isOver,
    pid: () => current?.child.pid,
    output: () => output,
    async close() {
      await killProcess(current);
      await killProcess(standby);
    },
  };
}

function loadProcess(
  { port, env, bundle }: ReplicaOptions,
  killPoint: string | undefined,
  onOutput: (text: string) => void,
): ServiceProcess {
  const killAt = killPoint !== undefined && { KILL_AT: killPoint };
  const child = fork(bundle.service, [bundle.config], {
    env: { PATH: process.env["PATH"] ?? "", ...env, PORT: String(port), ...killAt },
    execArgv: killPoint === undefined ? [] : ["--import", KILL_AT_POINT],
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding("utf8").on("data", onOutput);
  const loading: ServiceProcess = {
    child,
    isOver: false,
    loaded: new Promise((resolve) => child.once("message", () => resolve())),
    exited: new Promise((resolve) =>
      // After the event "exit" of a child process, some of its output may still be unread. After the event "close" of a child
      // process, all of its output has been read.
      child.once("close", () => {
        loading.isOver = true;
        resolve();
      }),
    ),
  };
  return loading;
}

async function untilServing({ child, exited }: ServiceProcess): Promise<void> {
  const serving = new Promise<void>((resolve) => {
    child.stdout?.on("data", (text: string) => {
      if (text.includes("Tollkeeper on http")) resolve();
    });
  });
  await within(START_TIMEOUT_MS, serving, exited);
}

async function killProcess(target: ServiceProcess | null): Promise<void> {
  if (target === null || target.isOver) return;
  target.child.kill("SIGKILL");
  await target.exited;
}

/** Resolves when one of the tasks ends, or after `ms` milliseconds. */
async function within(ms: number, ...tasks: Promise<void>[]): Promise<void> {
  const timeout = new AbortController();
  await Promise.race([...tasks, sleep(ms, timeout.signal)]);
  timeout.abort();
}

export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
