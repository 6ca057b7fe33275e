// `npm run bench`: measures the speed of the emulator and of the service, and writes the results to bench/results.
import { runSteps } from "./steps.mjs";

await runSteps([
  ["packages for bench/others", "npm", "ci", "--prefix", "bench/others", "--ignore-scripts"],
  ["emulator in process", "node", "--expose-gc", "bench/emulator.ts"],
  ["emulator and stripe-stateful-mock over HTTP", "node", "bench/other-emulators.ts"],
  ["webhook endpoint", "node", "bench/webhook-endpoint.ts"],
  ["steps of the webhook endpoint", "node", "bench/webhook-endpoint-steps.ts"],
  ["claims", "node", "bench/claims.ts"],
  ["access query", "node", "bench/access.ts"],
  ["backfill", "node", "bench/backfill.ts"],
]);
