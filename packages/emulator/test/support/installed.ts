/** Finds programs that are installed on this machine. */
import { spawnSync } from "node:child_process";
import { delimiter, join } from "node:path";

/**
 * Returns the path of the first program with this name on the PATH that runs successfully with the arguments `trial`. Returns
 * null if no program with this name runs successfully.
 */
export function installed(name: string, trial: readonly string[]): string | null {
  const paths = (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, name));
  return paths.find((path) => spawnSync(path, trial, { stdio: "ignore" }).status === 0) ?? null;
}
