import { describe, expect, test } from "vitest";
import { freePort } from "../support/ports.ts";
import { sendRaw } from "../support/raw-request.ts";
import { EMULATOR, runNode, runProgram } from "../support/program.ts";

describe("stripe-emulator", () => {
  test("runs without the service, and the emulator's clock can be moved", async () => {
    const port = await freePort();
    const emulator = runNode([EMULATOR, "--port", String(port)]);
    expect(await emulator.printed(/^Stripe emulator on/)).toContain(`http://127.0.0.1:${port}`);
    const before = (await (await fetch(`http://127.0.0.1:${port}/_emulator/clock`)).json()) as { now: number };
    const moved = await fetch(`http://127.0.0.1:${port}/_emulator/clock/advance`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ seconds: 86_400 }),
    });
    const after = (await moved.json()) as { now: number };
    expect(after.now - before.now).toBeGreaterThanOrEqual(86_400);
    expect(await emulator.stop()).toBe(0);
  });

  test("in a container, accepts requests to the service name that --allowed-host gives", async () => {
    const port = await freePort();
    const emulator = runNode([EMULATOR, "--port", String(port), "--host", "0.0.0.0", "--allowed-host", "emulator"]);
    expect(await emulator.printed(/^Stripe emulator on/)).toContain(`http://127.0.0.1:${port}`);
    const status = async (host: string) =>
      (await sendRaw({ port, method: "GET", path: "/_emulator/clock", headers: { host } })).status;
    expect(await status("emulator:12111")).toBe(200);
    expect(await status("attacker.test:12111")).toBe(403);
    expect(await emulator.stop()).toBe(0);
  });

  test("does not start in production", async () => {
    const port = String(await freePort());
    const { code, output } = await runProgram(EMULATOR, ["--port", port], { env: { NODE_ENV: "production" } });
    expect(code).toBe(1);
    expect(output).toContain("NODE_ENV=production");
    expect(output).not.toContain("    at ");
  });

  test.each([
    ["--port", "70000"],
    ["--seed", "abc"],
    ["--port", "sk_test_donttell"],
    ["--webhook", "http://ada:donttell@127.0.0.1:3000"],
    ["--webhook", "donttell"],
    ["--allowed-host", "http://emulator/"],
    ["--nonsense", ""],
  ])("rejects the arguments %s %s and explains what to do", async (...args) => {
    const { code, output } = await runProgram(
      EMULATOR,
      args.filter((arg) => arg !== ""),
    );
    expect(code).toBe(2);
    expect(output).toMatch(/unknown|must be|must not contain/);
    expect(output).not.toMatch(/    at |donttell/);
  });
});
