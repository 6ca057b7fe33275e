import { execFile } from "node:child_process";
import { existsSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { plans } from "../../examples/express/plans.ts";
import { ROOT, runCli, runNode } from "../support/program.ts";
import { payCheckout } from "../../packages/tollkeeper/src/testing/harness/index.ts";
import { eventually, startTestServers, type TestServers } from "../support/servers.ts";

const EXAMPLES = ["express", "fastify", "hono", "node-http"];
const folderOf = (name: string): string => join(ROOT, "examples", name);

async function buy(servers: TestServers, user: string): Promise<void> {
  const opened = await servers.call(user, "POST", "/stripe/create-checkout-session", {
    plan: "premium",
    interval: "month",
  });
  expect(opened).toMatchObject({ status: 200, body: { url: expect.stringContaining(servers.emulator.url) as string } });
  const paid = await payCheckout(servers.stripe, String(opened.body["sessionId"]));
  expect(paid.status).toBe(200);
}

async function sellAndGuard(servers: TestServers): Promise<void> {
  expect((await servers.call(null, "GET", "/export")).status).toBe(401);
  expect((await servers.call("ada", "GET", "/export")).status).toBe(403);
  expect((await servers.call("ada", "GET", "/stripe/nothing")).body).toMatchObject({ error: { code: "not_found" } });
  await buy(servers, "ada");
  await eventually(
    () => servers.call("ada", "GET", "/export"),
    (response) => response.status === 200,
  );
  expect((await servers.call("grace", "GET", "/export")).status).toBe(403);
}

test.each(EXAMPLES)(
  "the example for %s sells a plan, receives webhooks, guards a route and stops on SIGTERM",
  async (name) => {
    const servers = await startTestServers({ plans });
    const app = runNode(["server.ts"], { cwd: folderOf(name), env: servers.env });
    await app.printed(/ on http/);
    await sellAndGuard(servers);
    expect(await app.stop()).toBe(0);
    expect(app.output()).not.toMatch(/warn|error/i);
  },
);

test("the examples sign users in whose tokens name a client and no audience", async () => {
  const servers = await startTestServers({ plans, issuer: { claims: { aud: undefined, client_id: "web" } } });
  const app = runNode(["server.ts"], {
    cwd: folderOf("node-http"),
    env: { ...servers.env, AUTH_AUDIENCE: "", AUTH_CLIENT_IDS: "web" },
  });
  await app.printed(/ on http/);
  await sellAndGuard(servers);
  expect(await app.stop()).toBe(0);
});

const NEXT = folderOf("next");
const NEXT_PACKAGES = join(ROOT, "test/mounting/next");
const INSTALL_TIMEOUT_MS = 240_000;

/**
 * Installs Next from the lockfile of this folder, because the product does not need Next. Does nothing if Next is already
 * installed. The example itself has no lockfile: users copy the example, and install the published packages.
 */
async function installNext(): Promise<void> {
  if (existsSync(join(NEXT, "node_modules/next"))) return;
  await promisify(execFile)("npm", ["ci", "--no-audit", "--no-fund"], { cwd: NEXT_PACKAGES });
  renameSync(join(NEXT_PACKAGES, "node_modules"), join(NEXT, "node_modules"));
}

test(
  "the example for next sells a plan, receives webhooks, guards a route and stops on SIGTERM",
  async () => {
    await installNext();
    const servers = await startTestServers({ plans });
    const app = runNode(["node_modules/next/dist/bin/next", "dev", "--port", String(servers.env["PORT"])], {
      cwd: NEXT,
      env: { ...servers.env, NEXT_TELEMETRY_DISABLED: "1" },
    });
    await app.printed(/Ready in/);
    await sellAndGuard(servers);
    await app.stop();
    expect(app.output()).not.toMatch(/warn|error/i);
  },
  INSTALL_TIMEOUT_MS,
);

describe.each([...EXAMPLES, "next"])("the example for %s", (name) => {
  test("has plans that the command `tollkeeper plans push` reads", async () => {
    const { env } = await startTestServers({ plans: [] });
    const pushed = await runCli(["plans", "push", "--yes", "--config", "plans.ts"], { cwd: folderOf(name), env });
    expect(pushed).toMatchObject({ code: 0, output: expect.stringContaining("premium_year") as string });
  });

  test(
    "names the versions of packages with which the tests run",
    async () => {
      if (name === "next") await installNext();
      const { dependencies, devDependencies } = manifestOf(folderOf(name));
      for (const [dependency, range] of Object.entries({ ...dependencies, ...devDependencies }))
        expect(range, dependency).toBe(`^${installedVersion(name, dependency)}`);
    },
    INSTALL_TIMEOUT_MS,
  );
});

interface Manifest {
  version: string;
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
}

const manifestOf = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;

function installedVersion(example: string, dependency: string): string {
  const folder = [join(folderOf(example), "node_modules"), join(ROOT, "node_modules")].find((modules) =>
    existsSync(join(modules, dependency, "package.json")),
  );
  return manifestOf(join(String(folder), dependency)).version;
}
