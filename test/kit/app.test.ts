/** Checks that the test kit sends requests to an app's own routes, for each kind of server. */
import type { IncomingMessage, ServerResponse } from "node:http";
import express from "express";
import fastify from "fastify";
import { Hono } from "hono";
import { describe, expect, test } from "vitest";
import { toNodeHandler, UnauthenticatedError, type Tollkeeper } from "../../packages/tollkeeper/src/index.ts";
import type { AppHandler, TestBilling } from "../../packages/tollkeeper/src/testing/index.ts";
import { createKit } from "../support/kit.ts";

const EXPORTS = "exports";

async function statusFor(tollkeeper: Tollkeeper, request: Request | IncomingMessage): Promise<number> {
  const user = await tollkeeper.getUser(request);
  if (user === null) return 401;
  return (await tollkeeper.can(user.id, EXPORTS)) ? 200 : 403;
}

function expressApp({ service }: TestBilling): AppHandler {
  const app = express();
  app.use(toNodeHandler(service));
  app.use(express.json());
  app.get("/export", async (request, response) => void response.status(await statusFor(service, request)).send("rows"));
  app.post("/echo", (request, response) => void response.cookie("seen", "1").json(request.body));
  return app;
}

async function fastifyApp({ service }: TestBilling): Promise<AppHandler> {
  const app = fastify();
  app.get("/export", async (request, reply) => reply.status(await statusFor(service, request.raw)).send("rows"));
  app.post("/echo", async (request, reply) => reply.header("set-cookie", "seen=1; Path=/").send(request.body));
  await app.ready();
  return app;
}

function honoApp({ service }: TestBilling): AppHandler {
  const app = new Hono();
  app.get("/export", async (c) => new Response("rows", { status: await statusFor(service, c.req.raw) }));
  app.post("/echo", async (c) => c.json(await c.req.json(), 200, { "set-cookie": "seen=1; Path=/" }));
  return app;
}

function nodeApp({ service }: TestBilling): AppHandler {
  return async (request: IncomingMessage, response: ServerResponse) => {
    if (request.url === "/export") return response.writeHead(await statusFor(service, request)).end("rows");
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    response.setHeader("set-cookie", "seen=1; Path=/").setHeader("content-type", "application/json");
    return response.end(Buffer.concat(chunks));
  };
}

function nextRoute({ service }: TestBilling): AppHandler {
  return {
    GET: async (request: Request) => new Response("rows", { status: await statusFor(service, request) }),
    POST: async (request: Request) =>
      Response.json(await request.json(), { headers: { "set-cookie": "seen=1; Path=/" } }),
  };
}

describe.each<[string, (billing: TestBilling) => AppHandler | Promise<AppHandler>]>([
  ["Express", expressApp],
  ["Fastify", fastifyApp],
  ["Hono", honoApp],
  ["node:http", nodeApp],
  ["a route of Next", nextRoute],
])("an app on %s", (_name, createApp) => {
  test("serves each user of the test by what the user has paid for", async () => {
    const billing = await createKit();
    const app = billing.fetch(await createApp(billing));
    expect((await app(null, "/export")).status).toBe(401);
    expect((await app("ada", "/export")).status).toBe(403);
    const ada = await billing.user("ada").subscribe("premium");
    const response = await app("ada", "/export");
    expect([response.status, await response.text()]).toEqual([200, "rows"]);
    await ada.refund();
    expect((await app("ada", "/export")).status).toBe(403);
  });

  test("gets the body and the headers of a request, and its cookies arrive", async () => {
    const billing = await createKit();
    const app = billing.fetch(await createApp(billing));
    const response = await app("ada", "/echo", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ text: "größer" }),
    });
    expect(await response.json()).toEqual({ text: "größer" });
    expect(response.headers.getSetCookie()).toEqual(["seen=1; Path=/"]);
  });
});

test("an app that mounts the service sells a plan through its own routes", async () => {
  const billing = await createKit();
  const app = billing.fetch(expressApp(billing));
  const body = JSON.stringify({ plan: "premium", interval: "month" });
  const headers = { "content-type": "application/json" };
  const opened = await app("ada", "/stripe/create-checkout-session", { method: "POST", headers, body });
  expect(opened.status).toBe(200);
  expect(await opened.json()).toMatchObject({ url: expect.stringContaining("/c/pay/cs_test_") as string });
});

test("an app with its own sign-in is called with the headers of this sign-in", async () => {
  const billing = await createKit({
    signIn: (user) => ({ cookie: `session=${user}` }),
    authenticate(request) {
      const id = /session=(\w+)/.exec(request.headers.get("cookie") ?? "")?.[1];
      if (id === "banned") throw new UnauthenticatedError("This session has ended.");
      return id === undefined ? null : { id, email: `${id}@example.com`, name: null };
    },
  });
  const ada = await billing.user("ada").subscribe("premium");
  expect(await ada.can(EXPORTS)).toBe(true);
  for (const createApp of [expressApp, nodeApp, honoApp]) {
    const app = billing.fetch(createApp(billing));
    expect((await app("ada", "/export")).status).toBe(200);
    expect((await app("banned", "/export")).status).toBe(401);
    expect((await app(null, "/export")).status).toBe(401);
  }
});

test("a route that throws makes the request fail with the app's error", async () => {
  const billing = await createKit();
  const app = billing.fetch(() => Promise.reject(new Error("no such table")));
  await expect(app("ada", "/export")).rejects.toThrow("no such table");
});

test("getUser reads each kind of request of node:http", async () => {
  const { service } = await createKit();
  const of = (request: Partial<IncomingMessage>) => service.getUser({ headers: {}, ...request });
  const headers = { authorization: "Bearer ada", ":path": "/", cookie: undefined, "set-cookie": ["a=1", "b=2"] };
  expect(await of({ headers, url: "*", method: "TRACE" })).toMatchObject({ id: "ada" });
  expect(await of({ headers, url: "http://[", method: "POST" })).toMatchObject({ id: "ada" });
  expect(await of({})).toBeNull();
  expect(await of({ headers: { authorization: "Basic YWRhOg==" } })).toBeNull();
});

test("getUser reads headers without a request, as pages of Next have them", async () => {
  const { service } = await createKit();
  expect(await service.getUser({ headers: new Headers({ authorization: "Bearer ada" }) })).toMatchObject({ id: "ada" });
  expect(await service.getUser({ headers: new Headers() })).toBeNull();
});

test("a fetch-style app whose middleware reads the body gets an error that explains the order", async () => {
  const { service, fetch, log } = await createKit();
  const app = new Hono();
  app.use(async (c, next) => {
    await c.req.text();
    await next();
  });
  app.all(`${service.basePath}/*`, (c) => service.fetch(c.req.raw));
  for (const path of ["/stripe/create-checkout-session", "/stripe/webhook"]) {
    const response = await fetch(app)("ada", path, { method: "POST", body: "{}" });
    expect(response.status).toBe(500);
    expect(await response.json()).toMatchObject({
      error: {
        code: "body_already_read",
        message: expect.stringContaining("before any code reads its body") as string,
      },
    });
    expect(log.at(-1)).toMatchObject({ level: "warn", fields: { code: "body_already_read" } });
  }
});
