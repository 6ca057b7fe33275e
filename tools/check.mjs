// What `npm run check` runs: everything a change must pass.
import { runSteps } from "./steps.mjs";

await runSteps([
  ["packages for test/ecosystem", "node", "test/support/ecosystem.ts"],
  ["lint", "oxlint", "--type-aware", "--deny-warnings"],
  ["format", "oxfmt", "--check"],
  ["types of the server", "tsc"],
  ["types of the browser", "tsc", "-p", "tsconfig.browser.json"],
  ["types of the browser tests", "tsc", "-p", "test/browser"],
  ["types of the ecosystem tests", "tsc", "-p", "test/ecosystem"],
  ["build", "node", "tools/build.mjs"],
  ["unused code and dependencies", "knip"],
  ["package", "publint", "--strict"],
  ["package types", "attw", "--pack", ".", "--profile", "esm-only"],
  ["bundles", "node", "tools/check-bundles.mjs"],
  ["import rules", "node", "tools/check-imports.mjs"],
  ["fidelity", "node", "tools/fidelity.mjs", "--check"],
  ["tests", "vitest", "run"],
]);
