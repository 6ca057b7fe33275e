// `npm test`: checks import rules and FIDELITY.md, builds, and runs all tests.
import { runSteps } from "./steps.mjs";

await runSteps([
  ["import rules", "node", "tools/check-imports.mjs"],
  ["fidelity", "node", "packages/emulator/tools/fidelity.mjs", "--check"],
  ["build", "node", "tools/build.mjs"],
  ["tests", "vitest", "run", ...process.argv.slice(2)],
]);
