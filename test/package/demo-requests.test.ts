import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestDemo, type TestDemo } from "../support/demo.ts";
import { foreignHeaders, sendRaw } from "../support/raw-request.ts";

let demo: TestDemo;
beforeAll(async () => {
  demo = await startTestDemo();
});
afterAll(() => demo.remove());

const JSON_TYPE = { "content-type": "application/json" };
const TOKEN = JSON.stringify({ userId: "ada", email: "ada@example.com" });

test.each([
  ["GET", "/"],
  ["GET", "/app.js"],
  ["POST", "/demo/token"],
  ["GET", "/demo/panel"],
  ["GET", "/demo/export"],
  ["GET", "/demo/issuer/jwks"],
  ["POST", "/demo/clock/advance"],
  ["GET", "/stripe/config"],
  ["POST", "/stripe/webhook"],
  ["GET", "/unknown"],
])("the demo refuses %s %s with a foreign host name or origin", async (method, path) => {
  const port = Number(new URL(demo.url).port);
  const body = method === "POST" ? TOKEN : undefined;
  for (const headers of foreignHeaders(port)) {
    const { status } = await sendRaw({ port, method, path, headers: { ...JSON_TYPE, ...headers }, body });
    expect([headers, status]).toEqual([headers, 403]);
  }
});

test("the demo signs in a user of its own page and of a program", async () => {
  const port = Number(new URL(demo.url).port);
  for (const headers of [{}, { host: `localhost:${port}`, origin: `http://localhost:${port}` }]) {
    const request = { port, method: "POST", path: "/demo/token", headers: { ...JSON_TYPE, ...headers }, body: TOKEN };
    expect((await sendRaw(request)).status).toBe(200);
  }
});
