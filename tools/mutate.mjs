// npm run mutate -- [GROUP...]: changes each expression of the most critical code, one at a time, and reports the changes that
// no test notices. Fails if a change that no test notices is not in the list of accepted changes, or if a test notices an
// accepted change. Fails if the tests notice too few of the changes in a group of files. The names of groups as arguments limit
// the run to the files of these groups. Use an idle machine: a mutant counts as noticed if its tests take too long.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { startPostgres } from "../test/support/postgres.ts";

const SRC = "packages/tollkeeper/src";
const UNIT = "packages/tollkeeper/test/unit";
const CONTRACT = "packages/tollkeeper/test/contract";
const REPORT = ".stryker-tmp/report.json";
const ACCEPTED = "packages/tollkeeper/test/mutation-survivors.json";
const MIN_SCORE = 90;
const MAX_TEXT_LENGTH = 100;

/** The mutated files of each group, and the tests that must notice the mutants. */
const GROUPS = {
  domain: {
    files: [`${SRC}/domain/*.ts`],
    tests: [`${UNIT}/{access,checkout,decisions,drift,money,owner,plans,product-changes,subscription}.test.ts`],
  },
  auth: { files: [`${SRC}/auth/*.ts`], tests: [`${UNIT}/oidc.test.ts`, `${CONTRACT}/auth.test.ts`] },
  signature: { files: [`${SRC}/stripe/webhook/signature.ts`], tests: [`${UNIT}/signature.test.ts`] },
  operations: {
    files: [`${SRC}/actions/operation.ts`, `${SRC}/store/operations.ts`],
    tests: [`${CONTRACT}/*operation*.test.ts`],
  },
  queue: { files: [`${SRC}/store/queue/*.ts`], tests: [`${CONTRACT}/{inbox,outbox,queue,new-events}*.test.ts`] },
};

const root = fileURLToPath(new URL("..", import.meta.url));
const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(GROUPS);
const unknown = names.filter((name) => !Object.hasOwn(GROUPS, name));
if (unknown.length > 0) throw new Error(`unknown group ${unknown.join()}: use ${Object.keys(GROUPS).join(", ")}`);

const table = [];
const mutants = [];
const postgres = await startPostgres();
try {
  for (const name of names) {
    console.log(`\n— ${name}`);
    const found = await mutate(GROUPS[name], postgres.url);
    table.push(summarize(name, found));
    mutants.push(...found);
  }
} finally {
  await postgres.stop();
}
console.table(Object.fromEntries(table.map(({ group, ...figures }) => [group, figures])));
const problems = compareWithAccepted();
for (const { group, score } of table)
  if (score < MIN_SCORE) problems.push(`${group}: tests notice ${score} % of the mutants, not ${MIN_SCORE} %`);
console.log(problems.length > 0 ? `\nProblems:\n${problems.join("\n")}` : "no problems");
process.exitCode = problems.length > 0 ? 1 : 0;

/** Runs Stryker. Returns the mutants that Stryker made, each with its source text. */
async function mutate({ files, tests }, databaseUrl) {
  rmSync(REPORT, { force: true });
  const env = { ...process.env, MUTATE_TESTS: tests.join(" "), TEST_DATABASE_URL: databaseUrl };
  const stryker = spawn("stryker", ["run", "--mutate", files.join()], { cwd: root, env, stdio: "inherit" });
  const [code] = await once(stryker, "exit");
  if (code !== 0) throw new Error(`Stryker ended with ${code}`);
  const report = JSON.parse(readFileSync(REPORT, "utf8"));
  return Object.entries(report.files).flatMap(([file, { source, mutants: ofFile }]) =>
    ofFile.map((mutant) => ({ ...describeMutant(file, source, mutant), status: mutant.status })),
  );
}

/** Identifies a mutant by its text, so that it is still recognized after changes of other lines. */
function describeMutant(file, source, { mutatorName, replacement, location }) {
  const lines = source.split("\n");
  const { start, end } = location;
  const inside = lines.slice(start.line - 1, end.line);
  inside[inside.length - 1] = inside.at(-1).slice(0, end.column - 1);
  inside[0] = inside[0].slice(start.column - 1);
  return {
    file,
    line: shorten(lines[start.line - 1]),
    mutator: mutatorName,
    original: shorten(inside.join("\n")),
    replacement: shorten(replacement),
  };
}

function shorten(text) {
  return text.replaceAll(/\s+/g, " ").trim().slice(0, MAX_TEXT_LENGTH);
}

function isNoticed({ status }) {
  return status === "Killed" || status === "Timeout";
}

function isSurvivor({ status }) {
  return status === "Survived" || status === "NoCoverage";
}

function summarize(group, found) {
  const noticed = found.filter(isNoticed).length;
  const survived = found.filter(isSurvivor).length;
  return { group, noticed, survived, score: Math.floor((1_000 * noticed) / (noticed + survived)) / 10 };
}

/**
 * Compares the mutants that no test noticed with the accepted mutants of the same files. If several equal lines have the same
 * mutant, compares how often the mutant occurs.
 */
function compareWithAccepted() {
  const files = new Set(mutants.map(({ file }) => file));
  const isComplete = names.length === Object.keys(GROUPS).length;
  const listed = JSON.parse(readFileSync(ACCEPTED, "utf8"))
    .filter(({ file }) => isComplete || files.has(file))
    .map(keyOf);
  const survivors = mutants.filter(isSurvivor).map(keyOf);
  return [
    ...withoutThose(survivors, listed).map((key) => `survived: kill it with a test, or list it in ${ACCEPTED} ${key}`),
    ...withoutThose(listed, survivors).map((key) => `did not survive: remove it from ${ACCEPTED} ${key}`),
  ];
}

function keyOf({ file, line, mutator, original, replacement }) {
  return JSON.stringify({ file, line, mutator, original, replacement });
}

/**
 * Returns the elements of `keys` that `others` does not contain. If `keys` contains an element several times, one equal element
 * of `others` removes only one of them.
 */
function withoutThose(keys, others) {
  const left = [...others];
  return keys.filter((key) => {
    const at = left.indexOf(key);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}
