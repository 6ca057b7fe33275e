import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { plans } from "../../examples/plans.ts";
import { ROOT, runNode } from "../support/program.ts";
import { eventually, setStage, type Stage } from "../support/stage.ts";

const EXAMPLES = ["express", "fastify", "hono", "node-http"];

async function buy(stage: Stage, user: string): Promise<void> {
  const opened = await stage.call(user, "POST", "/stripe/create-checkout-session", {
    plan: "premium",
    interval: "month",
  });
  expect(opened).toMatchObject({ status: 200, body: { url: expect.stringContaining(stage.emulator.url) as string } });
  const paid = await stage.stripe("POST", `/v1/payment_pages/${String(opened.body["sessionId"])}/confirm`, {
    payment_method: "pm_card_visa",
  });
  expect(paid.status).toBe(200);
}

async function sellAndGuard(stage: Stage): Promise<void> {
  expect((await stage.call(null, "GET", "/export")).status).toBe(401);
  expect((await stage.call("ada", "GET", "/export")).status).toBe(403);
  expect((await stage.call("ada", "GET", "/stripe/nothing")).body).toMatchObject({ error: { code: "not_found" } });
  await buy(stage, "ada");
  await eventually(
    () => stage.call("ada", "GET", "/export"),
    (answer) => answer.status === 200,
  );
  expect((await stage.call("grace", "GET", "/export")).status).toBe(403);
}

test.each(EXAMPLES)("the example for %s sells, takes webhooks, guards a route, and stops when told", async (name) => {
  const stage = await setStage({ plans });
  const app = runNode([`examples/${name}.ts`], { env: stage.env });
  await app.printed(/ on http/);
  await sellAndGuard(stage);
  expect(await app.stop()).toBe(0);
  expect(app.output()).not.toMatch(/warn|error/i);
});

const NEXT = join(ROOT, "examples/next");
const INSTALL_TIMEOUT_MS = 240_000;

/** Next has an installation of its own, made once: nobody needs it to run the product. */
async function installNext(): Promise<void> {
  if (existsSync(join(NEXT, "node_modules/next"))) return;
  await promisify(execFile)("npm", ["ci", "--no-audit", "--no-fund"], { cwd: NEXT });
}

test(
  "the example for next sells, takes webhooks, guards a route, and stops when told",
  async () => {
    await installNext();
    const stage = await setStage({ plans });
    const app = runNode(["node_modules/next/dist/bin/next", "dev", "--port", String(stage.env["PORT"])], {
      cwd: NEXT,
      env: { ...stage.env, NEXT_TELEMETRY_DISABLED: "1" },
    });
    await app.printed(/Ready in/);
    await sellAndGuard(stage);
    await app.stop();
    expect(app.output()).not.toMatch(/warn|error/i);
  },
  INSTALL_TIMEOUT_MS,
);
