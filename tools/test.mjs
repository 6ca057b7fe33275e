// What `npm test` runs: the import rules, whether FIDELITY.md is true, the build that tests run, then every test.
import { runSteps } from "./steps.mjs";

await runSteps([
  ["import rules", "node", "tools/check-imports.mjs"],
  ["fidelity", "node", "packages/emulator/tools/fidelity.mjs", "--check"],
  ["build", "node", "tools/build.mjs"],
  ["tests", "vitest", "run", ...process.argv.slice(2)],
]);
