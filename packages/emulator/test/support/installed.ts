/** Finds programs that are installed on this machine. */
import { spawnSync } from "node:child_process";
import { delimiter, join } from "node:path";

/**
 * Searches the PATH for a program with the given name, and returns the first path that runs successfully with the arguments
 * `trial`. Returns null if no program with the given name runs successfully.
 */
export function installed(name: string, trial: readonly string[]): string | null {
  const paths = (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, name));
  return paths.find((path) => spawnSync(path, trial, { stdio: "ignore" }).status === 0) ?? null;
}
