// npm run simulate -- --schedules N --seed S: plays random schedules of people, replicas, faults and time against the whole
// service, on all cores. If a schedule fails, prints its seed and saves a shrunk schedule, which --replay FILE plays again. A
// run without violations writes its results to bench/results.
import { fork } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { figuresOf, writeResult } from "../bench/results.ts";

const { values } = parseArgs({
  options: { schedules: { type: "string" }, seed: { type: "string" }, replay: { type: "string" } },
});
const PLAYER = fileURLToPath(new URL("../test/simulation/play-schedules.ts", import.meta.url));
/**
 * Options of V8 for the processes that play schedules. Playing a schedule creates mostly short-lived objects, and runs much
 * code only a few times.
 */
const V8_FLAGS = ["--max-semi-space-size=64", "--always-sparkplug"];
const FOLDER = ".tollkeeper";
const REPORT_EVERY_MS = 5_000;
const MAX_SEED = 2 ** 31;

if (values.replay !== undefined) await replay(values.replay);
else await simulate(number("schedules", 1_000), number("seed", Math.floor(Math.random() * MAX_SEED)));

async function replay(file) {
  let violations = null;
  await child(["--replay", file], (message) => {
    violations = message.violations;
  });
  // A player process that cannot play its schedule prints the reason and exits without a message to its parent process.
  if (violations === null) process.exitCode = 1;
  else if (violations.length === 0) console.log("No violations.");
  else {
    console.log(violations.join("\n"));
    process.exitCode = 1;
  }
}

async function simulate(schedules, seed) {
  const cores = Math.min(availableParallelism(), schedules);
  console.log(`${schedules} schedules from seed ${seed}, on ${cores} ${cores === 1 ? "core" : "cores"}`);
  const startedAt = Date.now();
  let played = 0;
  let steps = 0;
  const failures = [];
  const perSecond = () => (played / ((Date.now() - startedAt) / 1000)).toFixed(1);
  const progress = setInterval(() => console.log(`  ${played} played, ${perSecond()} per second`), REPORT_EVERY_MS);
  const shares = Array.from({ length: cores }, (_, core) => Math.ceil((schedules - core) / cores));
  await Promise.all(
    shares.map((count, core) =>
      child([String(seed + core), String(cores), String(count)], (message) => {
        if (message.kind === "shrunk") failures.push(message);
        else {
          played += 1;
          steps += message.steps;
          if (message.violations.length > 0)
            console.log(`  seed ${message.seed}: ${message.violations[0]}\n  shrinking ...`);
        }
      }),
    ),
  );
  clearInterval(progress);
  console.log(`${played} schedules, ${steps} steps, ${failures.length} violations, ${perSecond()} schedules a second`);
  for (const failure of failures) save(failure);
  if (played === schedules && failures.length === 0)
    writeFigures({ seed, played, steps, perSecond: Number(perSecond()) });
  process.exitCode = failures.length > 0 || played < schedules ? 1 : 0;
}

function save({ seed, schedule, violations }) {
  mkdirSync(FOLDER, { recursive: true });
  const file = `${FOLDER}/schedule-${seed}.json`;
  writeFileSync(file, JSON.stringify(schedule, null, 2));
  console.log(`\nseed ${seed}, shrunk to ${schedule.actions.length} actions:`);
  for (const { action, user, steps } of schedule.actions)
    console.log(`  ${action} ${user}${steps === null ? "" : `, ${steps} steps`}`);
  for (const violation of violations) console.log(`  ! ${violation}`);
  console.log(`  npm run simulate -- --replay ${file}`);
}

function writeFigures({ seed, played, steps, perSecond }) {
  const metrics = { schedules: played, steps, violations: 0, "schedules (per second)": perSecond };
  writeResult("simulate", figuresOf(`seed ${seed}`, metrics));
}

/**
 * Starts a process that plays schedules of the simulation. Resolves when the player process ends. An exit code of the player
 * process other than 0 counts as a failure.
 */
function child(args, onMessage) {
  return new Promise((resolve) => {
    const player = fork(PLAYER, args, { stdio: "inherit", execArgv: V8_FLAGS });
    player.on("message", onMessage);
    player.once("exit", (code) => {
      if (code !== 0) process.exitCode = 1;
      resolve();
    });
  });
}

function number(name, fallback) {
  if (values[name] === undefined) return fallback;
  const value = Number(values[name]);
  if (Number.isInteger(value) && value >= 0) return value;
  console.error(`--${name} "${values[name]}" is invalid. Use a whole number.`);
  process.exit(1);
}
