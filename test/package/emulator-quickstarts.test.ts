/** Runs the three programs in the emulator's README, as a new user does. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync, mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { blocksOf } from "../support/blocks.ts";
import { EMULATOR, ROOT, runNode } from "../support/program.ts";

const PAGE = "packages/emulator/README.md";
const TIMEOUT_MS = 60_000;

/** Returns the first block of the README in a language that contains a text. */
function blockWith(language: string, text: string): string {
  const block = blocksOf(PAGE).find((one) => one.language === language && one.code.includes(text));
  if (!block) throw new Error(`${PAGE} has no ${language} block with ${text}`);
  return block.code;
}

/** Returns a folder in which the emulator and the SDK are installed. */
function createFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "quickstart-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, "node_modules/@tollkeeper"), { recursive: true });
  symlinkSync(join(ROOT, "packages/emulator"), join(folder, "node_modules/@tollkeeper/emulator"));
  symlinkSync(join(ROOT, "node_modules/stripe"), join(folder, "node_modules/stripe"));
  return folder;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Runs a program with the input in a folder. Returns what it prints. */
function run(program: string, input: string): string {
  const { status, stdout, stderr } = spawnSync(program, ["-"], { input, encoding: "utf8", timeout: TIMEOUT_MS });
  expect(status, stderr).toBe(0);
  return stdout;
}

test("the Node program verifies webhooks and prints the first invoice and the renewal", async () => {
  const folder = createFolder();
  writeFileSync(join(folder, "try.mjs"), blockWith("js", "createEmulator"));
  const { exited, output } = runNode(["try.mjs"], { cwd: folder });
  expect(await exited, output()).toBe(0);
  expect(output()).toContain("webhook customer.subscription.created");
  expect(output().trim().split("\n").slice(-2)).toEqual(["subscription_cycle paid", "subscription_create paid"]);
});

test("the curl program prints the first invoice and the renewal", { timeout: TIMEOUT_MS }, async () => {
  const port = await freePort();
  const code = blockWith("sh", "curl")
    .replace("npx stripe-emulator", `"${process.execPath}" "${EMULATOR}" >/dev/null`)
    .replaceAll("12111", String(port));
  const { status, stdout, stderr } = spawnSync("bash", ["-euc", code], { encoding: "utf8", timeout: TIMEOUT_MS });
  expect(status, stderr).toBe(0);
  expect(stdout.trim().split("\n").slice(-2)).toEqual([
    '"billing_reason":"subscription_cycle"',
    '"billing_reason":"subscription_create"',
  ]);
});

/** A Python that has Stripe's SDK, if there is one. */
const PYTHON = ["python3", "/usr/bin/python3"].find(
  (python) => spawnSync(python, ["-c", "import stripe"], { stdio: "ignore" }).status === 0,
);

test.skipIf(PYTHON === undefined)("the Python program prints the first invoice and the renewal", async () => {
  const port = await freePort();
  const emulator = runNode([EMULATOR, "--port", String(port), "--json"]);
  onTestFinished(() => void emulator.stop());
  await emulator.printed(/\{/);
  const output = run(PYTHON ?? "", blockWith("python", "stripe.api_base").replace("12111", String(port)));
  expect(output.trim().split("\n")).toEqual(["subscription_cycle paid", "subscription_create paid"]);
});
