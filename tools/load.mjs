// `npm run load [-- NAME]`: runs all load tests or one load test, and writes the results to bench/results. All load tests
// together take half an hour on an otherwise idle machine.
import { runSteps } from "./steps.mjs";

const PARTS = {
  checkouts: "1,000 users click fifty times at once",
  renewals: "10,000 renewals in a minute",
  "missed-webhooks": "days without webhooks",
  memory: "ten minutes of webhooks",
};

const chosen = process.argv.slice(2);
const unknown = chosen.filter((name) => !(name in PARTS));
if (unknown.length > 0) {
  console.error(`Unknown load test: ${unknown.join(", ")}. Choose from ${Object.keys(PARTS).join(", ")}.`);
  process.exit(1);
}
await runSteps(
  Object.entries(PARTS)
    .filter(([name]) => chosen.length === 0 || chosen.includes(name))
    .map(([name, title]) => [title, "node", "--expose-gc", `bench/${name}.ts`]),
);
