// npm run simulate:rules -- [--schedules N] [--rule TEXT]: removes each rule of test/simulation/rules.ts in a copy of the
// sources, and plays schedules until one fails. N is the maximum number of schedules per rule (default 1,000). TEXT limits the
// run to rules whose name contains TEXT.
import { fork } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { RULES } from "../test/simulation/rules.ts";

const { values } = parseArgs({ options: { schedules: { type: "string", default: "1000" }, rule: { type: "string" } } });
const root = fileURLToPath(new URL("..", import.meta.url));
const COPIED = [
  "packages/tollkeeper/src",
  "packages/tollkeeper/package.json",
  "packages/emulator/src",
  "packages/emulator/package.json",
  "test/simulation",
  "test/support/plans.ts",
  "package.json",
];

const waiting = RULES.filter(({ rule }) => rule.includes(values.rule ?? ""));
let unnoticed = 0;
await Promise.all(Array.from({ length: availableParallelism() }, tryRules));
process.exitCode = unnoticed > 0 ? 1 : 0;

async function tryRules() {
  for (let rule = waiting.shift(); rule; rule = waiting.shift()) {
    const seed = await noticedBy(rule);
    if (seed === null) unnoticed += 1;
    console.log(`${seed === null ? "NOT NOTICED" : `seed ${String(seed).padStart(4)}`}  ${rule.rule}`);
  }
}

/** Returns the seed of the first schedule that fails after the rule was removed; null if no schedule fails. */
async function noticedBy({ rule, file, text, without }) {
  const copy = mkdtempSync(join(tmpdir(), "tollkeeper-rule-"));
  try {
    for (const path of COPIED) cpSync(join(root, path), join(copy, path), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
    const source = readFileSync(join(root, file), "utf8");
    if (!source.includes(text))
      throw new Error(`${file} does not contain the text of the rule "${rule}". Update test/simulation/rules.ts.`);
    writeFileSync(
      join(copy, file),
      source.replace(text, () => without),
    );
    for (let from = 1; ;) {
      const seed = await firstFailure(copy, from);
      // If a schedule also fails with the rule in place, the schedule shows a different bug and does not prove that the rule is
      // needed.
      if (typeof seed !== "number" || (await firstFailure(root, seed, 1)) === null) return seed;
      console.log(`seed ${seed} fails with all rules: npm run simulate -- --schedules 1 --seed ${seed}`);
      from = seed + 1;
    }
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

function firstFailure(folder, from, count = Number(values.schedules) + 1 - from) {
  return new Promise((resolve) => {
    let seed = null;
    const args = [String(from), "1", String(count)];
    const player = fork(join(folder, "test/simulation/play-schedules.ts"), args, { stdio: "ignore" });
    player.on("message", (message) => {
      if (seed !== null || message.violations.length === 0) return;
      seed = message.seed;
      player.kill();
    });
    // A crash of the process that plays a schedule counts as a failure, too.
    player.once("exit", (code, signal) => resolve(seed ?? (code === 0 || signal !== null ? null : "crash")));
  });
}
