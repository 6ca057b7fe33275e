// What `npm test` runs: the import rules, the build that tests run, then every test.
import { runSteps } from "./steps.mjs";

await runSteps([
  ["import rules", "node", "tools/check-imports.mjs"],
  ["build", "node", "tools/build.mjs"],
  ["tests", "vitest", "run", ...process.argv.slice(2)],
]);
