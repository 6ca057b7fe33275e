// Checks properties of the emulator with random catalogs, currencies, coupons, taxes, trials, changes and cancellations. A
// preview equals the invoice that follows, and the books add up. Usage: npm run properties -- --runs N --seed S. Runs parts of
// the runs on all cores. Prints the seed of a part that fails.
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";

const { values } = parseArgs({ options: { runs: { type: "string" }, seed: { type: "string" } } });
const FILES = ["preview-properties", "tax-properties", "properties"].map(
  (name) => `packages/emulator/test/${name}.test.ts`,
);
const RUNS_PER_PART = 250;
const MAX_SEED = 2 ** 30;

const runs = wholeNumber("runs", 5_000);
const seed = wholeNumber("seed", Math.floor(Math.random() * MAX_SEED));
const parts = Math.ceil(runs / RUNS_PER_PART);
console.log(
  `${runs} runs from seed ${seed}, in ${parts} parts of ${RUNS_PER_PART}, on ${availableParallelism()} cores`,
);
const startedAt = Date.now();
let next = 0;
let failed = 0;
await Promise.all(Array.from({ length: availableParallelism() }, work));
console.log(failed === 0 ? `All properties hold (${elapsed()}).` : `${failed} parts failed.`);
process.exitCode = failed === 0 ? 0 : 1;

async function work() {
  while (next < parts) {
    const part = next++;
    const size = Math.min(RUNS_PER_PART, runs - part * RUNS_PER_PART);
    const { code, output } = await run(seed + part, size);
    if (code === 0) console.log(`  part ${part + 1} of ${parts} holds, ${elapsed()}`);
    else {
      failed += 1;
      console.log(
        `${output}\n  part ${part + 1} failed: FUZZ_SEED=${seed + part} FUZZ_RUNS=${size} vitest run ${FILES[0]}`,
      );
    }
  }
}

async function run(partSeed, size) {
  // The other properties are cheap, so the first part alone checks them.
  const files = partSeed === seed ? FILES : FILES.slice(0, 1);
  const env = { ...process.env, FUZZ_SEED: String(partSeed), FUZZ_RUNS: String(size) };
  const child = spawn("vitest", ["run", ...files], { env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (output += text));
  const code = await new Promise((resolve) => child.once("exit", resolve));
  return { code, output };
}

function elapsed() {
  return `${Math.round((Date.now() - startedAt) / 1_000)} s`;
}

function wholeNumber(name, fallback) {
  const number = Number(values[name] ?? fallback);
  if (Number.isInteger(number) && number >= 0) return number;
  console.error(`--${name} must be a whole number, not "${values[name]}"`);
  process.exit(2);
}
