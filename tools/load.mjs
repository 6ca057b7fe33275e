// What `npm run load` runs: what must hold under load, each a program that prints its figures. It takes half an hour, and
// a machine that does nothing else; `npm run load -- renewals` runs one of them.
import { runSteps } from "./steps.mjs";

const PARTS = {
  checkouts: "1,000 users who click fifty times at once",
  renewals: "10,000 renewals in a minute",
  away: "days without webhooks",
  memory: "ten minutes at the door",
};

const chosen = process.argv.slice(2);
const unknown = chosen.filter((name) => !(name in PARTS));
if (unknown.length > 0) {
  console.error(`There is no ${unknown.join(", ")}: choose of ${Object.keys(PARTS).join(", ")}.`);
  process.exit(1);
}
await runSteps(
  Object.entries(PARTS)
    .filter(([name]) => chosen.length === 0 || chosen.includes(name))
    .map(([name, title]) => [title, "node", "--expose-gc", `bench/${name}.ts`]),
);
