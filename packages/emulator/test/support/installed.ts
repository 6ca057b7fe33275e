/** What is installed on this machine beside Node.js. */
import { spawnSync } from "node:child_process";
import { delimiter, join } from "node:path";

/** The first program of that name on the PATH for which the trial run succeeds; null where there is none. */
export function installed(name: string, trial: readonly string[]): string | null {
  const paths = (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, name));
  return paths.find((path) => spawnSync(path, trial, { stdio: "ignore" }).status === 0) ?? null;
}
