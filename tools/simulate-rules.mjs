// npm run simulate:rules: takes each rule of test/simulation/rules.ts away in a copy of the sources, and plays schedules until
// the simulation notices. -- --schedules N plays that many at most (1,000); --rule TEXT tries those whose words hold it.
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
const seeds = new Map();
await Promise.all(Array.from({ length: availableParallelism() }, tryRules));
console.log("\nAs docs/testing.md has it:\n");
for (const { rule } of RULES) if (seeds.has(rule)) console.log(`| ${rule} | ${seeds.get(rule) ?? "none"} |`);
process.exitCode = unnoticed > 0 ? 1 : 0;

async function tryRules() {
  for (let rule = waiting.shift(); rule; rule = waiting.shift()) {
    const seed = await noticedBy(rule);
    seeds.set(rule.rule, seed);
    if (seed === null) unnoticed += 1;
    console.log(`${seed === null ? "NOT NOTICED" : `seed ${String(seed).padStart(4)}`}  ${rule.rule}`);
  }
}

/** The seed of the first schedule that fails without the rule; null where none does. */
async function noticedBy({ rule, file, text, without }) {
  const copy = mkdtempSync(join(tmpdir(), "tollkeeper-rule-"));
  try {
    for (const path of COPIED) cpSync(join(root, path), join(copy, path), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
    const source = readFileSync(join(root, file), "utf8");
    if (!source.includes(text)) throw new Error(`"${rule}" is no longer in ${file} as rules.ts has it`);
    writeFileSync(
      join(copy, file),
      source.replace(text, () => without),
    );
    for (let from = 1; ;) {
      const seed = await firstFailure(copy, from);
      // A schedule that fails with all rules in place shows a mistake, and nothing of this one.
      if (typeof seed !== "number" || (await firstFailure(root, seed, 1)) === null) return seed;
      console.log(`seed ${seed} fails with every rule in place: npm run simulate -- --schedules 1 --seed ${seed}`);
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
    const player = fork(join(folder, "test/simulation/play-range.ts"), args, { stdio: "ignore" });
    player.on("message", (message) => {
      if (seed !== null || message.violations.length === 0) return;
      seed = message.seed;
      player.kill();
    });
    // A rule whose loss ends the process is noticed, too.
    player.once("exit", (code, signal) => resolve(seed ?? (code === 0 || signal !== null ? null : "crash")));
  });
}
