/** Tests that web pages of other origins and foreign host names reach no route of the emulator. */
import { expect, onTestFinished, test } from "vitest";
import { createEmulator, serveEmulator, type EmulatorOptions } from "../src/index.ts";
import { freePort } from "../../../test/support/ports.ts";
import { foreignHeaders, sendRaw } from "../../../test/support/raw-request.ts";
import { START } from "./support/sdk.ts";

async function served(options: EmulatorOptions = {}) {
  const port = await freePort();
  const emulator = await serveEmulator({ ...options, port, clock: "still", startAt: START, wallNow: () => START });
  onTestFinished(() => emulator.close());
  const call = (method: string, path: string, headers: Record<string, string>) =>
    sendRaw({ port, method, path, headers, body: method === "POST" ? "seconds=60" : undefined });
  return { emulator, port, call };
}

const ROUTES: [string, string][] = [
  ["GET", "/"],
  ["GET", "/_emulator/clock"],
  ["GET", "/_emulator/deliveries"],
  ["GET", "/_emulator/style.css"],
  ["GET", "/v1/customers"],
  ["GET", "/v1/refused_by_the_emulator"],
  ["GET", "/v2/core/events"],
  ["GET", "/c/pay/cs_1"],
  ["GET", "/c/embed/cs_1_secret_1"],
  ["POST", "/c/embed/cs_1_secret_1/pay"],
  ["GET", "/_emulator/embedded-checkout.js"],
  ["POST", "/_emulator/stripe.js"],
  ["GET", "/p/session/bps_1"],
  ["GET", "/unknown"],
  ["HEAD", "/_emulator/clock"],
  ["OPTIONS", "/v1/customers"],
  ["POST", "/v1/customers"],
  ["POST", "/_viewer/advance"],
  ["POST", "/_emulator/reset"],
  ["DELETE", "/_emulator/faults"],
];
const AUTH = { authorization: "Bearer sk_test_123" };

test.each(ROUTES)("%s %s with a foreign host name, origin or fetching site returns 403", async (method, path) => {
  const { port, call } = await served();
  for (const headers of foreignHeaders(port))
    expect([headers, (await call(method, path, { ...AUTH, ...headers })).status]).toEqual([headers, 403]);
});

test.each(["localhost", "LOCALHOST", "127.0.0.1", "[::1]", "app.localhost"])(
  "requests with the loopback name %s are allowed with the server's port and with a forwarded port",
  async (name) => {
    const { port, call } = await served();
    for (const host of [`${name}:${port}`, `${name}:8080`]) {
      expect((await call("GET", "/v1/customers", { ...AUTH, host })).status).toBe(200);
      const sameOrigin = { host, origin: `http://${host}`, "sec-fetch-site": "same-origin" };
      expect((await call("POST", "/_emulator/reset", sameOrigin)).status).toBe(200);
    }
  },
);

test("a link from another site opens a page", async () => {
  const { call } = await served();
  expect((await call("GET", "/", { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" })).status).toBe(200);
  expect((await call("POST", "/", { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" })).status).toBe(403);
});

test("a page of every site may load the stand-in for Stripe.js, but only from an allowed host", async () => {
  const { call } = await served();
  const script = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "script" };
  expect((await call("GET", "/_emulator/stripe.js", script)).status).toBe(200);
  expect((await call("GET", "/_emulator/stripe.js", { ...script, host: "attacker.test" })).status).toBe(403);
});

test("an allowed host may be a name with any port or a name with one port", async () => {
  const { call } = await served({ allowedHosts: ["emulator", "stripe.internal:12111"] });
  const status = async (host: string) => (await call("GET", "/v1/customers", { ...AUTH, host })).status;
  expect(await Promise.all(["emulator:12111", "emulator", "stripe.internal:12111"].map(status))).toEqual([
    200, 200, 200,
  ]);
  expect(await Promise.all(["stripe.internal:80", "emulator.attacker.test"].map(status))).toEqual([403, 403]);
  await expect(served({ allowedHosts: ["http://emulator/"] })).rejects.toThrow(
    'The allowed host "http://emulator/" must be a host name, such as emulator or emulator:12111',
  );
});

test("a refused request names the allowed URL", async () => {
  const { port, call } = await served();
  const { body } = await call("GET", "/", { host: "attacker.test" });
  expect(JSON.parse(body)).toEqual({
    error: {
      type: "invalid_request_error",
      message: `The host "attacker.test" is not allowed. Use http://127.0.0.1:${port}, or start the emulator with --allowed-host.`,
    },
  });
});

/** @see https://developer.mozilla.org/docs/Web/HTTP/Guides/Content_negotiation */
test("a refused request gets a page that links to the emulator only if a browser asks for HTML", async () => {
  const { port, call } = await served();
  const accept = "text/html,application/xhtml+xml,*/*;q=0.8";
  const foreign: Record<string, string>[] = [{ host: "attacker.test" }, { origin: "http://attacker.test" }];
  for (const headers of foreign) {
    const { status, body } = await call("GET", "/p/session/bps_1", { ...headers, accept });
    expect(status).toBe(403);
    expect(body).toMatch(/^<!doctype html>/);
    expect(body).toContain(`<a class="button" href="http://127.0.0.1:${port}"`);
    expect(JSON.parse((await call("GET", "/", { ...headers, accept: "*/*" })).body)).toHaveProperty("error.message");
  }
});

test("in its own process, an emulator accepts API requests to any host, and pages and control routes only to its own", async () => {
  const emulator = createEmulator({ startAt: START });
  const status = async (url: string, headers: Record<string, string> = {}) =>
    (await emulator.fetch(new Request(url, { headers: { ...AUTH, ...headers } }))).status;
  expect(await status("https://api.stripe.com/v1/customers")).toBe(200);
  expect(await status("https://api.stripe.com/v1/customers", { origin: "http://attacker.test" })).toBe(403);
  expect(await status("https://api.stripe.com/_emulator/clock")).toBe(403);
  expect(await status("http://127.0.0.1:12111/_emulator/clock")).toBe(200);
  const { emulator: listening } = await served();
  const inProcess = new Request("https://api.stripe.com/v1/customers", { headers: AUTH });
  expect((await listening.fetch(inProcess)).status).toBe(200);
});
