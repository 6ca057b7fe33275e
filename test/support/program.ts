/** Runs the built programs of this repository in separate processes, as users do. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

export const ROOT: string = fileURLToPath(new URL("../..", import.meta.url));
const at = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
export const CLI: string = at("packages/tollkeeper/dist/cli/main.js");
export const EMULATOR: string = at("packages/emulator/dist/cli.js");
/** The path of the program that `npm start` runs. */
export const START: string = at("tools/start.mjs");

const COMPILE_CACHE = join(tmpdir(), "tollkeeper-compile-cache");

export interface Program {
  child: ChildProcess;
  /** Returns the program's complete output so far. */
  output(): string;
  /**
   * Resolves with the first line of the program's output that matches the pattern. Throws if the program ends and no line of
   * its output matches the pattern.
   */
  printed(pattern: RegExp): Promise<string>;
  /** Ends the program. Resolves with the program's exit code, or null if a signal ended the program. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
  exited: Promise<number | null>;
}

export interface ProgramOptions {
  env?: Record<string, string>;
  cwd?: string;
}

/** Starts `node` with the given arguments, and with no environment variables except the given ones. */
export function runNode(args: readonly string[], { env = {}, cwd = ROOT }: ProgramOptions = {}): Program {
  const child = spawn(process.execPath, args, {
    cwd,
    env: {
      PATH: process.env["PATH"] ?? "",
      HOME: process.env["HOME"] ?? "",
      // Most programs of the tests start the same modules, so Node compiles them only once.
      NODE_COMPILE_CACHE: COMPILE_CACHE,
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const listeners = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      for (const listener of listeners) listener();
    });
  const exited = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  const program: Program = {
    child,
    exited,
    output: () => output,
    printed(pattern) {
      return new Promise((resolve, reject) => {
        const look = (): void => {
          const line = output.split("\n").find((text) => pattern.test(text));
          if (line !== undefined) resolve(line);
        };
        listeners.add(look);
        void exited.then((code) => reject(new Error(`ended with ${code} before printing ${pattern}:\n${output}`)));
        look();
      });
    },
    stop(signal = "SIGTERM") {
      child.kill(signal);
      return exited;
    },
  };
  onTestFinished(async () => {
    await program.stop("SIGKILL");
  });
  return program;
}

export interface Finished {
  code: number | null;
  output: string;
}

/** Runs a program until it exits. */
export async function runProgram(path: string, args: readonly string[], options?: ProgramOptions): Promise<Finished> {
  const program = runNode([path, ...args], options);
  await once(program.child, "close");
  return { code: program.child.exitCode, output: program.output() };
}

/** Runs the command `tollkeeper` until it exits. */
export function runCli(args: readonly string[], options?: ProgramOptions): Promise<Finished> {
  return runProgram(CLI, args, options);
}
