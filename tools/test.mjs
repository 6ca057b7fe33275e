// What `npm test` runs: the import rules, the browser bundles that tests use, then every test.
import { runSteps } from "./steps.mjs";

await runSteps([
  ["import rules", "node", "tools/check-imports.mjs"],
  ["browser bundles", "node", "tools/build-browser.mjs"],
  ["tests", "vitest", "run", ...process.argv.slice(2)],
]);
