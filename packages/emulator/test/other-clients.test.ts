/** Tests the emulator over HTTP with Stripe's Python client and curl. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";
import { serveEmulator } from "../src/index.ts";
import { installed } from "./support/installed.ts";
import { freePort } from "../../../test/support/ports.ts";

const run = promisify(execFile);
const SCRIPT = fileURLToPath(new URL("other-clients.py", import.meta.url));
const python = installed("python3", ["-c", "import stripe"]);
const curl = installed("curl", ["--version"]);

if (python === null)
  console.warn("The test with Stripe's Python client is skipped: no python3 on the PATH can import stripe.");
if (curl === null) console.warn("The tests with curl are skipped: curl is not on the PATH.");

async function served() {
  const emulator = await serveEmulator({ port: await freePort() });
  onTestFinished(async () => {
    expect(emulator.audit()).toEqual([]);
    await emulator.close();
  });
  return emulator;
}

test.skipIf(python === null)("Stripe's Python client creates, renews and cancels a subscription", async () => {
  const { url } = await served();
  const { stdout } = await run(python ?? "", [SCRIPT, url]);
  expect(JSON.parse(stdout)).toEqual({
    event: { type: "customer.created", customer: true },
    forged: "SignatureVerificationError",
    subscription: { status: "active", paid: 1800 },
    ending: true,
    listed: true,
    card: { class: "CardError", status: 402, code: "card_declined", param: null, request: "req_" },
    missing: { class: "InvalidRequestError", status: 404, code: "resource_missing", param: "id", request: "req_" },
    unknown: {
      class: "InvalidRequestError",
      status: 400,
      code: "parameter_unknown",
      param: "favourite_colour",
      request: "req_",
    },
    key: { class: "AuthenticationError", status: 401, code: null, param: null, request: "req_" },
    idempotent: true,
    reused: { class: "IdempotencyError", status: 400, code: null, param: null, request: "req_" },
    version: "2026-10-28.endive",
    bad_version: { class: "InvalidRequestError", status: 400, code: null, param: null, request: "req_" },
  });
});

describe.skipIf(curl === null)("curl", () => {
  const KEY = ["-u", "sk_test_curl:"];

  async function ask(url: string, args: readonly string[], body = ""): Promise<{ status: number; body: Body }> {
    const asked = run(curl ?? "", ["-s", "-w", "\n%{http_code}", ...args, url]);
    asked.child.stdin?.on("error", () => {}).end(body);
    const { stdout } = await asked;
    const end = stdout.lastIndexOf("\n");
    return { status: Number(stdout.slice(end)), body: JSON.parse(stdout.slice(0, end)) as Body };
  }

  test("curl can create, retrieve and list customers", async () => {
    const { url } = await served();
    const made = await ask(`${url}/v1/customers`, [...KEY, "-d", "metadata[a]=b", "-d", "name=Ada Lovelace"]);
    expect(made).toMatchObject({ status: 200, body: { name: "Ada Lovelace", metadata: { a: "b" } } });
    expect(await ask(`${url}/v1/customers/${String(made.body["id"])}`, KEY)).toEqual(made);
    const found = await ask(`${url}/v1/customers`, [
      ...KEY,
      "-G",
      "-d",
      "limit=3",
      "-d",
      "expand[]=data.subscriptions",
    ]);
    expect(found).toMatchObject({ status: 200, body: { data: [{ name: "Ada Lovelace" }] } });
  });

  test.each([
    ["an invalid API key", ["-u", "pk_who:", "-d", "name=Ada"], "/v1/customers", 401],
    ["no API key", ["-d", "name=Ada"], "/v1/customers", 401],
    ["a malformed body", [...KEY, "-d", "name=100%"], "/v1/customers", 400],
    ["a JSON body", [...KEY, "-H", "content-type: application/json", "-d", "{}"], "/v1/customers", 400],
    ["an unknown path", [...KEY, "-d", "name=Ada"], "/v1/customer", 404],
    ["a path outside the API", KEY, "/v3/customers", 404],
  ] as const)("a curl request with %s is rejected and creates no customer", async (_what, args, path, status) => {
    const { url } = await served();
    const refused = await ask(`${url}${path}`, args);
    expect(refused).toMatchObject({ status, body: { error: { type: "invalid_request_error" } } });
    expect((await ask(`${url}/v1/customers`, KEY)).body["data"]).toEqual([]);
  });

  test.each([
    ["a declared", []],
    ["no declared", ["-H", "transfer-encoding: chunked"]],
  ] as const)(
    "a curl request with a body of several megabytes and %s content length gets a 413",
    async (_how, args) => {
      const { url } = await served();
      const big = `name=${"a".repeat(5_000_000)}`;
      const refused = await ask(`${url}/v1/customers`, [...KEY, ...args, "--data-binary", "@-"], big);
      expect(refused).toMatchObject({ status: 413, body: { error: { type: "invalid_request_error" } } });
      expect((await ask(`${url}/v1/customers`, KEY)).body["data"]).toEqual([]);
    },
  );
});

interface Body {
  [field: string]: unknown;
}
