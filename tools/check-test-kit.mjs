// Checks the test kit `tollkeeper/testing` with vitest, node:test and jest, as a new user runs it.
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";

/** The plans and the test of a new user, for each test runner. Each file has one test that passes and one that fails. */
const PLANS = `
import { definePlans } from "tollkeeper";
export const plans = definePlans([
  { id: "pro", name: "Pro", features: ["exports"], prices: [{ interval: "month", amount: 4900, currency: "usd" }] },
]);
`;
const renewal = (context) => `
  const billing = await createTestBilling({ plans${context && `, test: ${context}`} });
  const ada = await billing.user("ada").subscribe("pro", { interval: "month", card: "visa" });
  await ada.failPayments();
  await billing.advance({ months: 1, days: 8 });
`;
const testFile = (imports, expectation, context = "") => `
import { createTestBilling } from "tollkeeper/testing";
import { plans } from "./plans.mjs";
${imports}
test("a failed renewal ends access after the grace", async (${context}) => {${renewal(context)}
  ${expectation("false")}
});
test("this test fails", async (${context}) => {${renewal(context)}
  ${expectation("true")}
});
`;
const expectIt = (value) => `expect(await ada.can("exports")).toBe(${value});`;
const NODE_IMPORTS = 'import assert from "node:assert/strict";\nimport { test } from "node:test";';
const assertIt = (value) => `assert.equal(await ada.can("exports"), ${value});`;
const RUNNERS = [
  {
    name: "vitest",
    file: "renewal.vitest.mjs",
    text: testFile('import { expect, test } from "vitest";', expectIt),
    args: ["node_modules/vitest/vitest.mjs", "run", "--dir", ".", "renewal.vitest.mjs"],
    passed: /1 passed/,
    config: { "vitest.config.mjs": 'export default { test: { include: ["*.vitest.mjs"] } };' },
  },
  {
    name: "node:test",
    file: "renewal.node.mjs",
    text: testFile(NODE_IMPORTS, assertIt),
    args: ["--test", "renewal.node.mjs"],
    passed: /pass 1\b/,
  },
  {
    name: "node:test with the context of the test",
    file: "context.node.mjs",
    text: testFile(NODE_IMPORTS, assertIt, "t"),
    args: ["--test", "context.node.mjs"],
    passed: /pass 1\b/,
  },
  {
    name: "jest",
    file: "renewal.jest.mjs",
    text: testFile("", expectIt),
    args: ["--experimental-vm-modules", "node_modules/jest/bin/jest.js", "--testMatch", "**/*.jest.mjs"],
    passed: /1 passed/,
  },
];
const { devDependencies } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
const RUNNER_PACKAGES = [`vitest@${devDependencies.vitest}`, "jest@30", "@types/node"];

/** The first line of a timeline. */
const HEADING = "What happened to all users";

/** Type-checks a program that imports all modules for servers, and also checks the types of our packages themselves. */
function checkTypes(folder, root) {
  writeFileSync(
    join(folder, "types.ts"),
    `import { createTollkeeper } from "tollkeeper";
import { createTestBilling } from "tollkeeper/testing";
import { createEmulator } from "@tollkeeper/emulator";
export const all = [createTollkeeper, createTestBilling, createEmulator];`,
  );
  const options = [
    "--noEmit",
    "--strict",
    "--module",
    "nodenext",
    "--target",
    "es2024",
    "--lib",
    "es2024,esnext.disposable",
  ];
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  const { status, stdout } = spawnSync(process.execPath, [compiler, ...options, "--types", "node", "types.ts"], {
    cwd: folder,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`the types of the packages have errors without skipLibCheck:\n${stdout}`);
  console.log("the types of the packages have no errors, also without skipLibCheck");
}

/**
 * Runs the test kit with each test runner in a project in which both packages are installed. Throws if the test that passes
 * fails, or if the test that fails prints no timeline.
 */
export function checkTestKit(folder, root) {
  const install = ["install", "--no-audit", "--no-fund", "--prefer-offline", "--save-dev", ...RUNNER_PACKAGES];
  execFileSync("npm", install, { cwd: folder, shell: process.platform === "win32" });
  writeFileSync(join(folder, "plans.mjs"), PLANS);
  checkTypes(folder, root);
  for (const { name, file, text, args, passed, config = {} } of RUNNERS) {
    writeFileSync(join(folder, file), text);
    for (const [path, content] of Object.entries(config)) writeFileSync(join(folder, path), content);
    const only = (title) =>
      args[0] === "--test" ? ["--test-name-pattern", title, ...args] : [...args, "--testNamePattern", title];
    const startedAt = performance.now();
    const passing = spawnSync(process.execPath, only("a failed renewal"), { cwd: folder, encoding: "utf8" });
    const seconds = (performance.now() - startedAt) / 1_000;
    const printed = passing.stdout + passing.stderr;
    if (passing.status !== 0 || !passed.test(stripVTControlCharacters(printed)) || printed.includes(HEADING))
      throw new Error(`${name} did not pass one test without a timeline:\n${printed}`);
    const failing = spawnSync(process.execPath, only("this test fails"), { cwd: folder, encoding: "utf8" });
    const output = failing.stdout + failing.stderr;
    if (failing.status === 0 || !output.includes(HEADING) || !output.includes("onAccessRevoked exports"))
      throw new Error(`${name} printed no timeline of a failed test:\n${output}`);
    console.log(`${name} runs a test of the kit in ${seconds.toFixed(1)} s, and prints the timeline of a failed test`);
  }
}
