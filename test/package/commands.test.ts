import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { openStore } from "../../packages/tollkeeper/src/store/open-store.ts";
import configuration from "../../tollkeeper.config.ts";
import { freshDatabase, DIALECTS } from "../support/databases.ts";
import { CLI, runCli, runNode } from "../support/program.ts";
import { setStage, type Stage } from "../support/stage.ts";

const { plans } = configuration;

function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "tollkeeper-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function pricesOf(stage: Stage): Promise<unknown[]> {
  const { body } = await stage.stripe("GET", "/v1/prices?limit=100");
  return body["data"] as unknown[];
}

describe("tollkeeper plans push", () => {
  test("shows the difference and changes nothing until it is told to", async () => {
    const stage = await setStage({ plans: [] });
    const { code, output } = await runCli(["plans", "push"], { env: stage.env });
    expect(output).toContain("differs from the plans in code");
    expect(output).toContain("9.00 USD a month");
    expect(output).toContain("Run it again with --yes");
    expect(code).toBe(0);
    expect(await pricesOf(stage)).toEqual([]);
  });

  test("makes what is missing, and finds nothing to do the second time", async () => {
    const stage = await setStage({ plans: [] });
    const first = await runCli(["plans", "push", "--yes"], { env: stage.env });
    expect(first).toMatchObject({ code: 0, output: expect.stringContaining("done: ") as string });
    expect(await pricesOf(stage)).toHaveLength(2);
    const second = await runCli(["plans", "push", "--yes"], { env: stage.env });
    expect(second.output.trim()).toBe("Stripe (test) has all plans as they are in code.");
    expect(await pricesOf(stage)).toHaveLength(2);
  });

  test("says that Stripe can't be reached, and nothing of the key", async () => {
    const stage = await setStage({ plans: [] });
    await stage.emulator.close();
    const { code, output } = await runCli(["plans", "push"], { env: stage.env });
    expect(code).toBe(1);
    expect(output).toContain("Stripe");
    expect(output).not.toContain(stage.env["STRIPE_SECRET_KEY"]);
    expect(output).not.toContain("    at ");
  });
});

test("tollkeeper events shows what was given up and why, and gives it another chance", async () => {
  const url = await freshDatabase("sqlite");
  const store = openStore({ url, mode: "test" });
  onTestFinished(() => store.close());
  await store.migrate();
  const event = { eventId: "evt_1", type: "invoice.paid", objectId: "in_1", lane: "cus_1", eventCreatedAt: 1 };
  await store.inbox.add([event], 1);
  const [claim] = await store.inbox.claim(1, 2, 3);
  if (claim) await store.inbox.bury(claim, "Stripe refused it");
  const env = { DATABASE_URL: url };
  const shown = await runCli(["events"], { env });
  expect(shown).toMatchObject({ code: 0 });
  expect(shown.output).toContain("Events: 0 wait, 0 done, 1 given up.");
  expect(shown.output).toContain("evt_1 of cus_1, after 1 attempts: Stripe refused it");
  const one = await runCli(["events", "--show", "evt_1"], { env });
  expect(one.output).toMatch(/^lane +cus_1$/m);
  expect(one.output).toContain("Its body was not kept");
  const none = await runCli(["events", "--show", "evt_2"], { env });
  expect(none).toMatchObject({ code: 1, output: expect.stringContaining('no event "evt_2"') as string });
  const revived = await runCli(["events", "--retry"], { env });
  expect(revived.output).toContain("1 events and 0 hooks will be tried again");
  expect(revived.output).toContain("Events: 1 wait, 0 done, 0 given up.");
});

describe("tollkeeper reconcile", () => {
  test("tells what differs, then repairs it, then finds nothing", async () => {
    const stage = await setStage({ plans });
    const made = await stage.stripe("POST", "/v1/customers");
    const look = await runCli(["reconcile", "--dry-run", "--sweep"], { env: stage.env });
    expect(look).toMatchObject({ code: 0 });
    expect(look.output).toContain("1 difference, left as they are");
    expect(look.output).toContain(`customer ${String(made.body["id"])} is missing in the mirror`);
    const repaired = await runCli(["reconcile", "--sweep"], { env: stage.env });
    expect(repaired.output).toMatch(/1 difference:\n  customer cus_\w+ is missing in the mirror, repaired by a list/);
    const again = await runCli(["reconcile", "--sweep"], { env: stage.env });
    expect(again.output).toContain("The mirror is as Stripe is.");
  });

  test("a date that is none is refused with a word of how to write it", async () => {
    const stage = await setStage({ plans });
    const { code, output } = await runCli(["reconcile", "--since", "yesterday"], { env: stage.env });
    expect(code).toBe(1);
    expect(output).toContain('--since "yesterday" is no date');
  });
});

test.each(DIALECTS)("tollkeeper migrate brings %s up to date once", async (dialect) => {
  const env = { DATABASE_URL: await freshDatabase(dialect) };
  expect(await runCli(["migrate"], { env })).toMatchObject({
    code: 0,
    output: expect.stringMatching(/^Applied: 0001/) as string,
  });
  expect((await runCli(["migrate"], { env })).output).toBe("Nothing to apply: the database is up to date.\n");
});

describe("tollkeeper serve", () => {
  test("does not start without keys, and names each that is missing with what to do", async () => {
    const { code, output } = await runCli(["serve"]);
    expect(code).toBe(1);
    for (const name of [
      "STRIPE_SECRET_KEY",
      "STRIPE_PUBLISHABLE_KEY",
      "STRIPE_WEBHOOK_SECRET",
      "APP_URL",
      "AUTH_ISSUER",
    ])
      expect(output).toContain(`${name} `);
    expect(output).not.toContain("    at ");
  });

  test("says which file is missing where there are no plans", async () => {
    const { code, output } = await runCli(["serve"], { cwd: emptyFolder() });
    expect(code).toBe(1);
    expect(output).toContain("tollkeeper.config.ts is missing");
  });

  test("says that its port is taken, and how to move it", async () => {
    const stage = await setStage({ plans });
    const squatter = createServer().listen(Number(stage.env["PORT"]), "127.0.0.1");
    onTestFinished(() => void squatter.close());
    const { code, output } = await runCli(["serve"], { env: stage.env });
    expect(code).toBe(1);
    expect(output).toMatch(/port \d+ on 127.0.0.1 is in use by another program: set PORT to another one/);
  });

  test("stops with 0 when it is told to, by either signal", async () => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      const stage = await setStage({ plans });
      const service = runNode([CLI, "serve"], { env: stage.env });
      await service.printed(/^Tollkeeper on http/);
      expect((await stage.call(null, "GET", "/stripe/ready")).status).toBe(200);
      expect(await service.stop(signal)).toBe(0);
    }
  });
});

test("an unknown command is refused with what to do", async () => {
  const { code, output } = await runCli(["nonsense"]);
  expect(code).toBe(1);
  expect(output).toMatch(/unknown command/);
  expect(output).not.toContain("    at ");
});
