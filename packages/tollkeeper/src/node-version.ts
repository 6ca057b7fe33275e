/**
 * Checks the version of Node. The command line program imports this module first. So this module must run on old versions of
 * Node, and imports only what they have.
 */
import { readFileSync } from "node:fs";

const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  name: string;
  engines: { node: string };
};

/** Returns a text about a version of Node that is too old for this package, with the version that it needs; else null. */
export function findNodeProblem(version: string): string | null {
  const needed = manifest.engines.node.replace(">=", "");
  const [neededMajor = 0, neededMinor = 0] = needed.split(".").map(Number);
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > neededMajor || (major === neededMajor && minor >= neededMinor)) return null;
  return `${manifest.name} needs Node ${needed} or newer, but this is Node ${version}. Install a newer Node: https://nodejs.org`;
}
