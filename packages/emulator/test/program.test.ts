/** Tests the program `stripe-emulator` in a separate process. */
import { expect, onTestFinished, test } from "vitest";
import { runNode } from "../../../test/support/program.ts";

const CLI = new URL("../src/cli.ts", import.meta.url).pathname;

test("port 0 takes a free port, and --json prints the addresses as the only line", async () => {
  const program = runNode([CLI, "--port", "0", "--json", "--webhook", "http://127.0.0.1:9/hook"]);
  onTestFinished(async () => void (await program.stop()));
  const line = await program.printed(/^\{/);
  const { url, viewer, webhook } = JSON.parse(line) as { url: string; viewer: string; webhook: string };
  expect(new URL(url).port).not.toBe("0");
  expect(webhook).toBe("http://127.0.0.1:9/hook");
  expect((await fetch(viewer)).status).toBe(200);
  const created = await fetch(`${url}/v1/billing_portal/configurations`, {
    headers: { authorization: "Bearer sk_test_1" },
  });
  expect(created.status).toBe(200);
  expect(program.output().trim().split("\n")).toEqual([line]);
});

test("verify refuses a live key with exit code 2", async () => {
  const env = { STRIPE_SECRET_KEY: "sk_live_abcdefgh" };
  const program = runNode([CLI, "verify", "missing.json"], { env });
  expect(await program.exited).toBe(2);
  expect(program.output()).toContain("STRIPE_SECRET_KEY is not a test key");
  expect(program.output()).not.toContain("abcdefgh");
});
