// node tools/walk-quickstart.mjs [Express] [Next]: walks docs/quickstart.md as a new user does. Writes the files of the page and
// runs its commands in an empty folder, with the packages of this repository, buys the plan, and checks the access.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { blocksOf } from "../test/support/blocks.ts";
import { launchBrowser } from "../test/support/browser.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const PAGE = "docs/quickstart.md";
const MAX_COMMANDS = 12;
const MAX_LINES = 40;
const START_TIMEOUT_MS = 120_000;
const ACCESS_TIMEOUT_MS = 30_000;
const CLICK_TIMEOUT_MS = 2_000;
const POLL_MS = 200;

/** Returns the numbers of the first and the last line of a section of the page, counted from 1. */
function linesOf(title) {
  const lines = readFileSync(join(root, PAGE), "utf8").split("\n");
  const first = lines.indexOf(`## ${title}`);
  if (first === -1) throw new Error(`${PAGE} has no section "${title}"`);
  const next = lines.findIndex((line, index) => index > first && line.startsWith("## "));
  return { first: first + 1, last: next === -1 ? lines.length : next };
}

/** Returns the steps of a section in order: files to write, and commands to run. */
function stepsOf(title) {
  const { first, last } = linesOf(title);
  const blocks = blocksOf(PAGE).filter(({ line }) => line > first && line <= last);
  return blocks.flatMap(({ file, language, code, line }) => {
    if (language === "sh")
      return code
        .trim()
        .split("\n")
        .map((command) => ({ command }));
    if (file === null) throw new Error(`${PAGE}:${line} names no file for its code`);
    return [{ file, text: code }];
  });
}

function packTarballs(folder) {
  return Object.fromEntries(
    ["packages/tollkeeper", "packages/emulator"].map((name) => {
      const args = ["pack", "--json", "--ignore-scripts", "--pack-destination", folder];
      const [packed] = JSON.parse(execFileSync("npm", args, { cwd: join(root, name), encoding: "utf8" }));
      return [packed.name, join(folder, packed.filename)];
    }),
  );
}

/** Runs the steps of a framework, buys the plan, and runs the test of the page. */
async function walk(title, tarballs) {
  const steps = stepsOf(title);
  const commands = steps.flatMap(({ command }) => command?.split("&&") ?? []).length;
  const lines = steps.reduce((sum, { text }) => sum + (text?.trimEnd().split("\n").length ?? 0), 0);
  console.log(`${title}: ${commands} commands and ${lines} lines`);
  if (commands > MAX_COMMANDS || lines > MAX_LINES)
    throw new Error(`The limits are ${MAX_COMMANDS} commands and ${MAX_LINES} lines.`);
  const folder = mkdtempSync(join(tmpdir(), "tollkeeper-quickstart-"));
  let cwd = folder;
  let app = null;
  try {
    for (const step of [...steps, ...stepsOf("Test your billing")]) {
      if (step.file !== undefined) write(join(cwd, step.file), step.text);
      else if (step.command.startsWith("npx tollkeeper dev")) app = await startAndBuy(step.command, cwd);
      else cwd = runIn(cwd, withTarballs(step.command, tarballs));
    }
    if (app === null) throw new Error(`${title} does not start the app with "npx tollkeeper dev"`);
  } finally {
    await app?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function write(path, text) {
  console.log(`  writes ${path.split("/").slice(-2).join("/")}`);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

/** Replaces the names of our packages in a command that installs packages. */
function withTarballs(command, tarballs) {
  if (!command.startsWith("npm install")) return command;
  const words = command.split(" ").map((word) => tarballs[word] ?? word);
  return [...words, "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"].join(" ");
}

/** Runs a command in a folder. Returns the folder in which the shell is afterwards. */
function runIn(cwd, command) {
  console.log(`  $ ${command.replaceAll(/\S*\/(\S+\.tgz)/g, "$1")}`);
  const output = execFileSync("sh", ["-ec", `${command}\npwd`], { cwd, encoding: "utf8", env: cleanEnvironment() });
  return output.trim().split("\n").at(-1);
}

/** Returns the environment of a new user: without the variables of this repository's runner. */
function cleanEnvironment() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_ENV$|VITEST)/.test(name)));
}

async function startAndBuy(command, cwd) {
  console.log(`  $ ${command}`);
  // The page uses ports 3000 and 12111. Another program of this machine may use them.
  const [PORT, EMULATOR_PORT] = await freePorts(2);
  const env = { ...cleanEnvironment(), PORT, EMULATOR_PORT };
  const child = spawn("sh", ["-c", `exec ${command}`], { cwd, env, detached: true });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (output += text));
  const exited = new Promise((resolve) => child.once("exit", resolve));
  const ended = exited.then((code) => Promise.reject(new Error(`the app ended with code ${code}`)));
  const stop = async () => {
    if (child.exitCode === null) process.kill(-Number(child.pid), "SIGTERM");
    await exited;
  };
  try {
    await Promise.race([buy(`http://localhost:${PORT}`), ended]);
    ended.catch(() => {});
  } catch (error) {
    await stop();
    throw new Error(`${error.message}\n${output}`, { cause: error });
  }
  return { stop };
}

async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer().listen(0));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => String(server.address().port));
  await Promise.all(servers.map((server) => once(server.close(), "close")));
  return ports;
}

/** Buys the plan in a browser, as the page says: the export is refused, the user pays, and the export is served. */
async function buy(url) {
  const exportStatus = async () => (await fetch(`${url}/export`)).status;
  await until("the app refuses the export", START_TIMEOUT_MS, async () => (await exportStatus()) === 403);
  const browser = await launchBrowser();
  try {
    const page = await browser.newPage();
    await page.goto(url);
    // Next makes the button work some time after the page has loaded.
    await until("the button opens Stripe's page", ACCESS_TIMEOUT_MS, async () => {
      await page.getByRole("button", { name: "Go Premium" }).click({ timeout: CLICK_TIMEOUT_MS });
      await page.waitForURL(/\/c\/pay\//, { timeout: CLICK_TIMEOUT_MS });
      return true;
    });
    await page.getByLabel("Card number").fill("4242 4242 4242 4242");
    await page.getByRole("button", { name: "Subscribe" }).click();
    await page.waitForURL(`${url}/**`);
  } finally {
    await browser.close();
  }
  await until(
    "the app serves the export after the payment",
    ACCESS_TIMEOUT_MS,
    async () => (await exportStatus()) === 200,
  );
}

async function until(what, timeoutMs, isDone) {
  const end = performance.now() + timeoutMs;
  while (!(await isDone().catch(() => false))) {
    if (performance.now() > end) throw new Error(`not true within ${timeoutMs / 1_000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  console.log(`  ${what}`);
}

const folder = mkdtempSync(join(tmpdir(), "tollkeeper-tarballs-"));
try {
  const tarballs = packTarballs(folder);
  const titles = process.argv.slice(2);
  for (const title of titles.length > 0 ? titles : ["Express", "Next"]) await walk(title, tarballs);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
