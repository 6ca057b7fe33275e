/** Checks `tollkeeper dev`, which runs an app with a local Stripe. */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { freePort } from "../support/ports.ts";
import { CLI, ROOT, runCli, runNode, type Program } from "../support/program.ts";
import { eventually } from "../support/servers.ts";

const CONFIG = `
import { definePlans } from "tollkeeper";
export const plans = definePlans([
  { id: "premium", name: "Premium", features: ["exports"], prices: [{ interval: "month", amount: 900, currency: "usd" }] },
]);
export default { plans };
`;
const APP = `
import { createServer } from "node:http";
import { createTollkeeper, optionsFromEnvironment, toNodeHandler } from "tollkeeper";
import { plans } from "./tollkeeper.config.ts";
const authenticate = () => ({ id: "ada", email: "ada@example.com", name: null });
const tollkeeper = createTollkeeper({ ...optionsFromEnvironment(process.env), plans, authenticate });
await tollkeeper.start();
const handle = toNodeHandler(tollkeeper);
createServer((request, response) =>
  handle(request, response, async () => response.end(String(await tollkeeper.can("ada", "exports")))),
).listen(Number(process.env.PORT), () => console.log("app on http"));
process.once("SIGTERM", () => process.exit(7));
`;

/** Returns a folder with an app in which the packages of this repository are installed. */
function appFolder(files: Record<string, string> = { "tollkeeper.config.ts": CONFIG, "server.ts": APP }): string {
  const folder = mkdtempSync(join(tmpdir(), "tollkeeper-dev-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

interface RunningApp {
  program: Program;
  url: string;
}

async function startApp(cwd: string): Promise<RunningApp> {
  const [port, emulatorPort] = [await freePort(), await freePort()];
  const env = { PORT: String(port), EMULATOR_PORT: String(emulatorPort), STRIPE_SECRET_KEY: "sk_live_ignored" };
  const program = runNode([CLI, "dev", "node", "server.ts"], { cwd, env });
  await program.printed(/app on http/);
  return { program, url: `http://127.0.0.1:${port}` };
}

async function openCheckout(url: string): Promise<{ status: number; body: { url: string } }> {
  const response = await fetch(`${url}/stripe/create-checkout-session`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ plan: "premium", interval: "month" }),
  });
  return { status: response.status, body: (await response.json()) as { url: string } };
}

/** Moves the clock of the local Stripe. */
async function moveClock(program: Program, seconds: number): Promise<void> {
  const [, stripeUrl = ""] = /Local Stripe: (http\S+)/.exec(program.output()) ?? [];
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ seconds });
  await fetch(`${stripeUrl}/_emulator/clock/advance`, { method: "POST", headers, body });
}

test("an app without keys sells a plan on the local Stripe, and keeps its data over a restart", async () => {
  const folder = appFolder();
  const { program, url } = await startApp(folder);
  expect(program.output()).toMatch(/done: \+ product premium/);
  const { body } = await openCheckout(url);
  const card = new URLSearchParams({ number: "4242424242424242", expiry: "12/34", cvc: "123" });
  const paid = await fetch(`${body.url}/pay`, { method: "POST", body: card, redirect: "manual" });
  expect(paid.headers.get("location")).toMatch(/^http:\/\/localhost:/);
  const isAllowed = (at: string) => async () => (await fetch(at)).text();
  await eventually(isAllowed(url), (text) => text === "true");
  expect(await program.stop("SIGTERM")).toBe(7);

  const again = await startApp(folder);
  expect(again.program.output()).not.toContain("done:");
  expect(await (await fetch(again.url)).text()).toBe("true");
  expect((await openCheckout(again.url)).status).toBe(409);
  // The second start uses other ports, so the local Stripe must send its webhooks to the new address.
  const canceled = await fetch(`${again.url}/stripe/cancel-subscription`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
  expect(canceled.status).toBe(200);
  await moveClock(again.program, 32 * 86_400);
  await eventually(isAllowed(again.url), (text) => text === "false");
  await again.program.stop("SIGTERM");
});

test("the app gets the keys of the local Stripe, and keeps the address of its pages", async () => {
  const cwd = appFolder({ "tollkeeper.config.ts": CONFIG, ".env": "STRIPE_SECRET_KEY=sk_live_secret\n" });
  const env = { PORT: String(await freePort()), EMULATOR_PORT: String(await freePort()) };
  const print = ["dev", "node", "--eval", "console.log(process.env.STRIPE_SECRET_KEY, process.env.APP_URL)"];
  const { output } = await runCli(print, { cwd, env: { ...env, APP_URL: "http://localhost:5173" } });
  expect(output).toContain("sk_test_local http://localhost:5173\n");
  expect((await runCli(print, { cwd, env })).output).toContain(`sk_test_local http://localhost:${env.PORT}\n`);
});

test("a config file that reads the variables itself gets the keys of the local Stripe", async () => {
  const config = CONFIG.replace("{ plans }", "{ plans, stripeSecretKey: process.env.STRIPE_SECRET_KEY }");
  const cwd = appFolder({ "tollkeeper.config.ts": config });
  const env = { PORT: String(await freePort()), EMULATOR_PORT: String(await freePort()) };
  const result = await runCli(["dev", "node", "--eval", "console.log('started')"], { cwd, env });
  expect(result).toMatchObject({ code: 0, output: expect.stringContaining("started\n") as string });
});

test("the example for Express starts as its page says", async () => {
  expect(readFileSync(join(ROOT, "docs/express.md"), "utf8")).toContain(`npx tollkeeper ${EXPRESS.join(" ")}\n`);
  const cwd = appFolder({});
  for (const file of ["app.ts", "plans.ts", "server.ts"]) cpSync(join(ROOT, "examples/express", file), join(cwd, file));
  const env = { PORT: String(await freePort()), EMULATOR_PORT: String(await freePort()) };
  const signIn = { AUTH_ISSUER: "https://issuer.example.com/", AUTH_AUDIENCE: "https://api.example.com" };
  const program = runNode([CLI, ...EXPRESS], { cwd, env: { ...env, ...signIn } });
  await program.printed(/Express on http/);
  expect((await fetch(`http://127.0.0.1:${env.PORT}/export`)).status).toBe(401);
  expect(await program.stop("SIGTERM")).toBe(0);
});

const EXPRESS = ["dev", "--config", "plans.ts", "node", "server.ts"];

test("the exit code of the app is the exit code of the command", async () => {
  const cwd = appFolder({ "tollkeeper.config.ts": CONFIG });
  const env = { PORT: String(await freePort()), EMULATOR_PORT: String(await freePort()) };
  expect(await runCli(["dev", "node", "--eval", "process.exit(5)"], { cwd, env })).toMatchObject({ code: 5 });
  const missing = await runCli(["dev", "no-such-program"], { cwd, env });
  expect(missing.code).toBe(1);
  expect(missing.output).toMatch(/^no-such-program can't be started: /m);
});

test.each([
  ["production", { NODE_ENV: "production" }, 1, /does not start with NODE_ENV=production/],
  ["a free port, which the local Stripe would not know", { PORT: "0" }, 1, /PORT "0" must be a whole number from 1/],
  ["a port that is no number", { PORT: "http" }, 1, /PORT "http" must be a whole number/],
])("the command refuses %s", async (_name, variables, code, text) => {
  const env = { PORT: String(await freePort()), EMULATOR_PORT: String(await freePort()), ...variables };
  const result = await runCli(["dev", "node", "server.ts"], { cwd: appFolder(), env });
  expect(result).toMatchObject({ code, output: expect.stringMatching(text) as string });
});

test("the command names the port of the local Stripe if it is in use", async () => {
  const port = await freePort();
  const server = createServer().listen(port, "127.0.0.1");
  onTestFinished(() => void server.close());
  const env = { PORT: String(await freePort()), EMULATOR_PORT: String(port) };
  const result = await runCli(["dev", "node", "server.ts"], { cwd: appFolder(), env });
  expect(result).toMatchObject({ code: 1 });
  expect(result.output).toContain(`The emulator cannot listen on 127.0.0.1:${port}`);
});

test("the command needs the app's command", async () => {
  expect(await runCli(["dev"], { cwd: appFolder() })).toMatchObject({ code: 2 });
});
