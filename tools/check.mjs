// `npm run check`: runs every check that must pass before a change is merged.
import { runSteps } from "./steps.mjs";

await runSteps([
  ["packages for test/ecosystem", "node", "test/support/ecosystem.ts"],
  ["lint", "oxlint", "--type-aware", "--deny-warnings"],
  ["format", "oxfmt", "--check"],
  ["types of the server", "tsc"],
  ["types of the browser", "tsc", "-p", "tsconfig.browser.json"],
  ["types of the browser tests", "tsc", "-p", "test/browser"],
  ["types of the emulator's browser tests", "tsc", "-p", "packages/emulator/test/pages"],
  ["types of the ecosystem tests", "tsc", "-p", "test/ecosystem"],
  ["build", "node", "tools/build.mjs"],
  ["types of the example for Next", "tsc", "-p", "examples/next"],
  ["unused code and dependencies", "knip"],
  ["package tollkeeper", "publint", "packages/tollkeeper", "--strict"],
  ["package emulator", "publint", "packages/emulator", "--strict"],
  ["types of package tollkeeper", "attw", "--pack", "packages/tollkeeper", "--profile", "esm-only"],
  ["types of package emulator", "attw", "--pack", "packages/emulator", "--profile", "esm-only"],
  ["packages install and run", "node", "tools/check-packages.mjs"],
  ["quickstart", "node", "tools/walk-quickstart.mjs"],
  ["bundles", "node", "tools/check-bundles.mjs"],
  ["import rules", "node", "tools/check-imports.mjs"],
  ["language", "node", "tools/check-language.mjs"],
  ["performance page", "node", "tools/performance.mjs", "--check"],
  ["fidelity", "node", "packages/emulator/tools/fidelity.mjs", "--check"],
  ["tests", "vitest", "run"],
]);
