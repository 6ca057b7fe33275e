// What `npm run bench` runs: how fast things are, each beside what it is measured against, in one run.
import { runSteps } from "./steps.mjs";

await runSteps([
  ["packages for bench/others", "npm", "ci", "--prefix", "bench/others", "--ignore-scripts"],
  ["the emulator, in process", "node", "--expose-gc", "bench/emulator.ts"],
  ["the emulator beside another, over HTTP", "node", "bench/other-stripes.ts"],
  ["the webhook's door", "node", "bench/door.ts"],
  ["the door's steps", "node", "bench/door-steps.ts"],
  ["a claim beside a long lane", "node", "bench/claims.ts"],
  ["a user's access beside a large mirror", "node", "bench/access.ts"],
  ["filling in and looking through an account", "node", "bench/backfill.ts"],
]);
