#!/usr/bin/env node
/**
 * Runs the command line program `tollkeeper`. The program is imported only if Node is new enough, because an older Node can't
 * import it.
 */
import { findNodeProblem } from "../node-version.ts";

const problem = findNodeProblem(process.versions.node);
if (problem === null) {
  const { runProgram } = await import("./program.ts");
  await runProgram();
} else {
  console.error(problem);
  process.exitCode = 1;
}
