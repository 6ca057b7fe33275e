/** Tests the command `verify`. A second emulator takes the place of a Stripe sandbox. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { serveEmulator, type ServedEmulator } from "../src/index.ts";
import { runVerify } from "../src/verify/command.ts";
import { compareResponses } from "../src/verify/compare.ts";

const TRIGGERS = new URL("triggers/", import.meta.url);
const trigger = (name: string): string => new URL(`${name}.json`, TRIGGERS).pathname;

async function sandbox(): Promise<ServedEmulator> {
  const served = await serveEmulator({ port: 0, seed: 9, onWarning: () => {} });
  onTestFinished(() => served.close());
  return served;
}

async function verify(files: string[], apiBase: string, secretKey: string | undefined = "sk_test_sandbox") {
  const lines: string[] = [];
  const differences = await runVerify({ files, secretKey, apiBase, print: (line) => void lines.push(line) });
  return { differences, output: lines.join("\n") };
}

function scenarioFile(content: unknown): string {
  const file = join(mkdtempSync(join(tmpdir(), "verify-")), "scenario.json");
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
  return file;
}

test.each(["customer.subscription.created", "invoice.paid", "charge.refunded", "subscription.payment_failed"])(
  "two emulators respond alike to the scenario %s",
  async (name) => {
    const { differences, output } = await verify([trigger(name)], (await sandbox()).url);
    expect(output).toContain("No differences.");
    expect(differences).toBe(0);
  },
);

test("a scenario with a test clock waits until the clock is ready", async () => {
  const now = Math.floor(Date.now() / 1_000);
  const file = scenarioFile({
    fixtures: [
      { name: "clock", method: "post", path: "/v1/test_helpers/test_clocks", params: { frozen_time: now } },
      {
        name: "advance",
        method: "post",
        path: "/v1/test_helpers/test_clocks/${clock:id}/advance",
        params: { frozen_time: now + 86_400 },
      },
      { name: "delete", method: "delete", path: "/v1/test_helpers/test_clocks/${clock:id}" },
    ],
  });
  expect((await verify([file], (await sandbox()).url)).differences).toBe(0);
});

test("a difference is printed with the request, the field and both values", async () => {
  const { url, fetch } = await sandbox();
  await fetch(
    new Request(`${url}/_emulator/faults`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ path: "/v1/customers", answer: 429 }),
    }),
  );
  const { differences, output } = await verify([trigger("customer.created")], url);
  expect(differences).toBeGreaterThan(0);
  expect(output).toContain("different customer: POST /v1/customers");
  expect(output).toContain("status: Stripe 429, emulator 200");
});

test.each([undefined, "", "sk_live_1234567890", "rk_live_1234567890", "pk_test_1", "nonsense"])(
  "the secret key %s is refused before the first request, and is not printed",
  async (key) => {
    const failure = runVerify({
      files: [trigger("customer.created")],
      secretKey: key,
      apiBase: "http://127.0.0.1:1",
      print: () => {},
    });
    await expect(failure).rejects.toMatchObject({
      code: "usage",
      message: expect.stringContaining("STRIPE_SECRET_KEY"),
    });
    await expect(failure).rejects.not.toMatchObject({ message: expect.stringContaining("1234567890") });
  },
);

test.each([
  ["no JSON", "{", "JSON"],
  ["no fixtures", { requests: [] }, "fixtures"],
  ["a wrong method", { fixtures: [{ name: "a", method: "put", path: "/v1/customers" }] }, "fixtures.0.method"],
  ["a foreign URL as path", { fixtures: [{ name: "a", method: "get", path: "//evil.test/v1" }] }, "fixtures.0.path"],
])("a scenario file with %s is refused with the field", async (_name, content, text) => {
  await expect(verify([scenarioFile(content)], "http://127.0.0.1:1")).rejects.toMatchObject({
    code: "usage",
    message: expect.stringContaining(text),
  });
});

test("a scenario that refers to an unknown request is refused", async () => {
  const file = scenarioFile({ fixtures: [{ name: "a", method: "get", path: "/v1/customers/${b:id}" }] });
  await expect(verify([file], (await sandbox()).url)).rejects.toMatchObject({
    code: "usage",
    message: expect.stringContaining("it refers to b"),
  });
});

test("an API that is unreachable is named with the reason", async () => {
  await expect(verify([trigger("customer.created")], "http://127.0.0.1:1")).rejects.toMatchObject({
    code: "unreachable",
    message: expect.stringContaining("http://127.0.0.1:1"),
  });
});

test("the same object must have the same ID in all responses", () => {
  const pairs = new Map<string, string>();
  expect(compareResponses({ customer: "cus_aaaaaaaa" }, { customer: "cus_bbbbbbbb" }, pairs)).toEqual([]);
  expect(compareResponses({ customer: "cus_aaaaaaaa" }, { customer: "cus_cccccccc" }, pairs)).toHaveLength(1);
});

test("times may differ by five minutes, and amounts may not differ", () => {
  const compare = (expected: unknown, actual: unknown) => compareResponses(expected, actual, new Map());
  expect(compare({ created: 1_760_000_000 }, { created: 1_760_000_300 })).toEqual([]);
  expect(compare({ created: 1_760_000_000 }, { created: 1_760_000_301 })).toHaveLength(1);
  expect(compare({ amount: 100 }, { amount: 101 })).toEqual([{ field: "amount", expected: 100, actual: 101 }]);
});

test("a missing field, an additional field and the length of a list are differences", () => {
  const fields = compareResponses({ object: "price", a: 1, list: [1] }, { object: "price", b: 2, list: [] }, new Map());
  expect(fields.map(({ field }) => field)).toEqual(["price.a", "price.list.length", "price.b"]);
});
