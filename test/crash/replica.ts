/** One replica of the service: it is killed, and started again at once from a process that stands by. */
import { fork, type ChildProcess } from "node:child_process";
import type { Bundle } from "./bundle.ts";

export interface Replica {
  port: number;
  /** Starts it, once it is down; resolves when it takes requests. `mark` is where it kills itself, as die-at.ts has it. */
  start(mark?: string): Promise<void>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** Asks it to end; resolves when it has. */
  stop(): Promise<void>;
  /** Resolves when it is gone by itself; throws where it is not within the time. */
  diesWithin(ms: number): Promise<void>;
  isUp(): boolean;
  pid(): number | undefined;
  /** The last that it has printed since it was started. */
  output(): string;
  close(): Promise<void>;
}

const DIE_AT = new URL("die-at.ts", import.meta.url).href;
const START_TIMEOUT_MS = 30_000;
const MAX_OUTPUT = 20_000;

interface Life {
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

export function createReplica({ port, env, bundle }: ReplicaOptions): Replica {
  let output = "";
  let standby: Life | null = null;
  let current: Life | null = null;

  const load = (mark?: string): Life => {
    const child = fork(bundle.service, [bundle.config], {
      env: { PATH: process.env["PATH"] ?? "", ...env, PORT: String(port), ...(mark !== undefined && { DIE_AT: mark }) },
      execArgv: mark === undefined ? [] : ["--import", DIE_AT],
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding("utf8").on("data", (text: string) => {
        output = (output + text).slice(-MAX_OUTPUT);
      });
    const life: Life = {
      child,
      isOver: false,
      loaded: new Promise((resolve) => child.once("message", () => resolve())),
      exited: new Promise((resolve) =>
        // Not "exit": its last words are to be there.
        child.once("close", () => {
          life.isOver = true;
          resolve();
        }),
      ),
    };
    return life;
  };

  const failed = (what: string): Error => new Error(`the service on port ${port} ${what}:\n${output}`);

  const serving = async ({ child, exited }: Life): Promise<void> => {
    const patience = new AbortController();
    const told = new Promise<void>((resolve) => {
      const look = (text: string): void => {
        if (text.includes("Tollkeeper on http")) resolve();
      };
      child.stdout?.on("data", look);
    });
    await Promise.race([told, exited, after(START_TIMEOUT_MS, patience.signal)]);
    patience.abort();
  };

  const end = async (life: Life | null): Promise<void> => {
    if (life === null || life.isOver) return;
    life.child.kill("SIGKILL");
    await life.exited;
  };

  return {
    port,
    async start(mark) {
      if (current && !current.isOver) throw failed("runs already");
      const life = (mark === undefined ? standby : null) ?? load(mark);
      if (mark === undefined) standby = null;
      current = life;
      output = "";
      await Promise.race([life.loaded, life.exited]);
      if (!life.isOver) life.child.send("start");
      await serving(life);
      // With a mark it may be gone before it has said that it is there.
      if (life.isOver && mark === undefined) throw failed("ended while it started");
      standby ??= load();
    },
    kill: () => end(current),
    async stop() {
      current?.child.kill("SIGTERM");
      await current?.exited;
    },
    async diesWithin(ms) {
      if (!current) throw failed("was never started");
      const patience = new AbortController();
      await Promise.race([current.exited, after(ms, patience.signal)]);
      patience.abort();
      if (!current.isOver) throw failed(`was still there after ${ms} ms`);
    },
    isUp: () => current !== null && !current.isOver,
    pid: () => current?.child.pid,
    output: () => output,
    async close() {
      await end(current);
      await end(standby);
    },
  };
}

export function after(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
