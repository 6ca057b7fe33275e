import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { freePort } from "../support/ports.ts";
import { runNode, runProgram, START } from "../support/program.ts";

function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "tollkeeper-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test("npm start rejects an unknown option", async () => {
  const { code, output } = await runProgram(START, ["--nonsense"], { cwd: emptyFolder() });
  expect(code).toBe(1);
  expect(output).toMatch(/unknown option/i);
  expect(output).not.toContain("    at ");
});

describe("npm start without a Stripe key", () => {
  async function startDemo(folder: string, env: Record<string, string>) {
    const demo = runNode([START], { cwd: folder, env });
    return { demo, firstLine: await demo.printed(/./) };
  }

  test("prints its addresses first, can sell a plan, and keeps its data across a restart", async () => {
    const folder = emptyFolder();
    const [port, emulatorPort] = [String(await freePort()), String(await freePort())];
    const env = { PORT: port, EMULATOR_PORT: emulatorPort };
    const url = `http://localhost:${port}`;
    const { demo, firstLine } = await startDemo(folder, env);
    expect(firstLine).toContain(url);
    expect(firstLine).toContain(`http://127.0.0.1:${emulatorPort}`);

    const post = async (address: string, body: object, token?: string) => {
      const response = await fetch(address, {
        method: "POST",
        headers: { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) },
        body: JSON.stringify(body),
      });
      return (await response.json()) as Record<string, string>;
    };
    const { token } = await post(`${url}/demo/token`, { userId: "ada", email: "ada@example.com" });
    const { sessionId } = await post(
      `${url}/stripe/create-checkout-session`,
      { plan: "premium", interval: "month" },
      token,
    );
    await fetch(`http://127.0.0.1:${emulatorPort}/v1/payment_pages/${sessionId}/confirm`, {
      method: "POST",
      headers: { authorization: "Bearer sk_test_demo" },
      body: new URLSearchParams({ payment_method: "pm_card_visa" }),
    });
    const verified = await fetch(`${url}/stripe/checkout-session?session_id=${sessionId}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(await verified.json()).toMatchObject({ status: "complete" });
    expect(await demo.stop()).toBe(0);

    const again = await startDemo(folder, env);
    const entitlements = await fetch(`${url}/stripe/entitlements`, { headers: { authorization: `Bearer ${token}` } });
    expect(JSON.stringify(await entitlements.json())).toContain('"exports"');
    expect(await again.demo.stop("SIGINT")).toBe(0);
  });
});
