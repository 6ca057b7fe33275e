import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { plans } from "../../examples/plans.ts";
import { ROOT, runNode } from "../support/program.ts";
import { payCheckout } from "../../packages/tollkeeper/src/testing/harness/index.ts";
import { eventually, startTestServers, type TestServers } from "../support/servers.ts";

const EXAMPLES = ["express", "fastify", "hono", "node-http"];

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
    const app = runNode([`examples/${name}.ts`], { env: servers.env });
    await app.printed(/ on http/);
    await sellAndGuard(servers);
    expect(await app.stop()).toBe(0);
    expect(app.output()).not.toMatch(/warn|error/i);
  },
);

test("the examples sign users in whose tokens name a client and no audience", async () => {
  const servers = await startTestServers({ plans, issuer: { claims: { aud: undefined, client_id: "web" } } });
  const app = runNode(["examples/node-http.ts"], {
    env: { ...servers.env, AUTH_AUDIENCE: "", AUTH_CLIENT_IDS: "web" },
  });
  await app.printed(/ on http/);
  await sellAndGuard(servers);
  expect(await app.stop()).toBe(0);
});

const NEXT = join(ROOT, "examples/next");
const INSTALL_TIMEOUT_MS = 240_000;

/**
 * The example for Next has its own dependencies, because the product does not need Next. The dependencies of the example for
 * Next are installed only once.
 */
async function installNext(): Promise<void> {
  if (existsSync(join(NEXT, "node_modules/next"))) return;
  await promisify(execFile)("npm", ["ci", "--no-audit", "--no-fund"], { cwd: NEXT });
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
