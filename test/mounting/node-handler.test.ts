import { createServer, type RequestListener, type Server } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import express from "express";
import { describe, expect, onTestFinished, test } from "vitest";
import { toNodeHandler } from "../../packages/tollkeeper/src/index.ts";
import { signWebhook } from "../../packages/tollkeeper/src/testing/harness/index.ts";
import { createTestHarness, type TestHarness } from "../support/harness.ts";

const EVENT = JSON.stringify({
  id: "evt_1",
  object: "event",
  type: "invoice.paid",
  created: 1_770_000_000,
  livemode: false,
  data: { object: { id: "in_1", object: "invoice", customer: "cus_1" } },
});

async function serve(handler: RequestListener | Server): Promise<string> {
  const server = typeof handler === "function" ? createServer(handler) : handler;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function deliver(
  billing: TestHarness,
  url: string,
  path = "/stripe/webhook",
): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${url}${path}`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "stripe-signature": signWebhook(EVENT, { now: billing.emulator.now() }),
    },
    body: EVENT,
  });
  return { status: response.status, body: await response.json() };
}

/** Returns a header that is valid in all respects that can be checked without the body. */
function forged(billing: TestHarness): string {
  return `t=${Math.floor(billing.emulator.now() / 1_000)},v1=${"0".repeat(64)}`;
}

/** Resolves when the connection is closed, even by an error. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once("close", () => resolve()));
}

const ACCEPTED = { status: 200, body: { status: "accepted", eventId: "evt_1" } };

describe("the handler for Node", () => {
  test("accepts a webhook if it is mounted before express.json()", async () => {
    const billing = await createTestHarness({ pushPlans: false });
    const app = express().use(toNodeHandler(billing.service)).use(express.json());
    expect(await deliver(billing, await serve(app))).toEqual(ACCEPTED);
  });

  test("responds to a health check of HTTP/1.0 without a Host header, as some load balancers send it", async () => {
    const billing = await createTestHarness({ pushPlans: false });
    const url = new URL(await serve(toNodeHandler(billing.service)));
    const socket = connect(Number(url.port), "127.0.0.1", () => socket.write("GET /stripe/health HTTP/1.0\r\n\r\n"));
    let received = "";
    socket.on("data", (piece: Buffer) => (received += piece.toString()));
    await closed(socket);
    expect(received).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*\{"status":"ok"\}$/);
  });

  test("explains how to mount the handler if express.json() has already read the body", async () => {
    const billing = await createTestHarness({ pushPlans: false });
    const app = express().use(express.json()).use(toNodeHandler(billing.service));
    expect(await deliver(billing, await serve(app))).toMatchObject({
      status: 500,
      body: { error: { code: "body_already_read", message: expect.stringContaining("rawBody") as string } },
    });
    expect(billing.log.at(-1)).toMatchObject({
      level: "warn",
      message: "request refused",
      fields: { code: "body_already_read" },
    });
  });

  test("accepts a webhook if a body parser has stored the raw bytes of the body", async () => {
    const billing = await createTestHarness({ pushPlans: false });
    const keep = express.json({ verify: (request, _response, bytes) => Object.assign(request, { rawBody: bytes }) });
    const app = express().use(keep).use(toNodeHandler(billing.service));
    expect(await deliver(billing, await serve(app))).toEqual(ACCEPTED);
  });

  test("does not replace a response that a middleware has already sent", async () => {
    const billing = await createTestHarness({ pushPlans: false });
    const impatient = express()
      .use((_request, response, next) => {
        response.status(503).send("too late");
        next();
      })
      .use(toNodeHandler(billing.service));
    const url = await serve(impatient);
    const response = await fetch(`${url}/stripe/webhook`, { method: "POST", body: EVENT });
    expect(response.status).toBe(503);
    await response.text();
    expect((await fetch(`${url}/stripe/webhook`, { method: "POST", body: EVENT })).status).toBe(503);
  });

  test("accepts a webhook if it is mounted under its base path", async () => {
    const billing = await createTestHarness({ pushPlans: false });
    const app = express().use("/stripe", toNodeHandler(billing.service));
    expect(await deliver(billing, await serve(app))).toEqual(ACCEPTED);
  });

  test("accepts a slash at the end of each path, however the handler is mounted", async () => {
    const billing = await createTestHarness({ pushPlans: false });
    const nested = await createTestHarness({ pushPlans: false, options: { basePath: "/api/stripe" } });
    const mounts: [RequestListener, string, TestHarness][] = [
      [toNodeHandler(billing.service), "/stripe", billing],
      [toNodeHandler({ fetch: billing.service.fetch, basePath: "/stripe" }), "/stripe", billing],
      [express().use(toNodeHandler(billing.service)), "/stripe", billing],
      [express().use("/stripe", toNodeHandler(billing.service)), "/stripe", billing],
      [express().use("/api", express.Router().use(toNodeHandler(nested.service))), "/api/stripe", nested],
    ];
    for (const [handler, basePath, mounted] of mounts) {
      const url = await serve(handler);
      const delivered = await deliver(mounted, url, `${basePath}/webhook/?source=stripe`);
      expect(delivered).toMatchObject({ status: 200, body: { eventId: "evt_1" } });
      expect((await fetch(`${url}${basePath}/config/`)).status).toBe(200);
      const preflight = { origin: "http://app.test", "access-control-request-method": "POST" };
      const allowed = await fetch(`${url}${basePath}/subscriptions/`, { method: "OPTIONS", headers: preflight });
      expect([allowed.status, allowed.headers.get("access-control-allow-origin")]).toEqual([204, "http://app.test"]);
    }
  });

  test("passes requests to other routes on to the app, even if a route's path begins like the base path", async () => {
    const billing = await createTestHarness({ pushPlans: false });
    const app = express().use(toNodeHandler(billing.service));
    app.get(["/stripes", "/"], (_request, response) => void response.send("the app's"));
    const url = await serve(app);
    expect(await (await fetch(`${url}/stripes`)).text()).toBe("the app's");
    expect(await (await fetch(`${url}/`)).text()).toBe("the app's");
  });

  test("passes requests to other routes on to the app if the handler is mounted in a router", async () => {
    const billing = await createTestHarness({ pushPlans: false, options: { basePath: "/api/stripe" } });
    const api = express.Router().use(toNodeHandler(billing.service));
    api.get("/me", (_request, response) => void response.send("the app's"));
    const url = await serve(express().use("/api", api));
    expect((await fetch(`${url}/api/stripe/health`)).status).toBe(200);
    expect(await (await fetch(`${url}/api/me`)).text()).toBe("the app's");
  });

  test("returns 413 for an endless request body and stops reading the body", async () => {
    const billing = await createTestHarness({ pushPlans: false });
    const url = new URL(await serve(toNodeHandler(billing.service)));
    const response = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(url.port), url.hostname);
      let received = "";
      const chunk = `10000\r\n${"x".repeat(0x10000)}\r\n`;
      const more = (): void => void (socket.writable && socket.write(chunk, () => setImmediate(more)));
      socket.on("data", (data) => {
        received += data.toString();
        if (received.includes("}")) {
          resolve(received);
          socket.destroy();
        }
      });
      socket.on("error", reject);
      socket.write(
        `POST /stripe/webhook HTTP/1.1\r\nhost: ${url.host}\r\nstripe-signature: ${forged(billing)}\r\ntransfer-encoding: chunked\r\n\r\n`,
      );
      more();
    });
    expect(response).toMatch(/^HTTP\/1.1 413 /);
    expect(response).toContain('"rejected"');
  });

  test("reads almost nothing of large bodies without a signature, and accepts Stripe's webhooks meanwhile", async () => {
    const CONNECTIONS = 2_500;
    const BODY_BYTES = 1_000_000;
    const billing = await createTestHarness({ pushPlans: false });
    const server = createServer(toNodeHandler(billing.service));
    const sockets: Socket[] = [];
    server.on("connection", (socket) => void sockets.push(socket));
    const url = new URL(await serve(server));
    const head = `POST /stripe/webhook HTTP/1.1\r\nhost: ${url.host}\r\ncontent-length: ${BODY_BYTES}\r\n\r\n`;
    const body = Buffer.alloc(BODY_BYTES, "x");
    const attack = Array.from({ length: CONNECTIONS }, async () => {
      const socket = connect(Number(url.port), url.hostname);
      let received = "";
      socket.on("data", (data) => (received += data.toString()));
      socket.on("error", () => {});
      socket.write(head);
      socket.write(body);
      await closed(socket);
      return received;
    });
    expect(await deliver(billing, url.origin)).toEqual(ACCEPTED);
    const received = await Promise.all(attack);
    expect(received.some((text) => text.includes("missing_header"))).toBe(true);
    expect(received.filter((text) => text !== "" && !text.includes("missing_header"))).toEqual([]);
    const bytes = sockets.reduce((sum, socket) => sum + socket.bytesRead, 0);
    expect(bytes / CONNECTIONS).toBeLessThan(300_000);
  }, 60_000);

  test("holds at most 64 MB of bodies that arrive slowly, and accepts Stripe's webhooks meanwhile", async () => {
    const billing = await createTestHarness({ pushPlans: false });
    const url = new URL(await serve(toNodeHandler(billing.service)));
    const head = [
      "POST /stripe/webhook HTTP/1.1",
      `host: ${url.host}`,
      `stripe-signature: ${forged(billing)}`,
      "content-length: 1000000",
    ];
    const almost = Buffer.alloc(999_999, "x");
    const slow = Array.from({ length: 80 }, async () => {
      const socket = connect(Number(url.port), url.hostname);
      onTestFinished(() => void socket.destroy());
      let received = "";
      socket.on("data", (data) => (received += data.toString()));
      socket.on("error", () => {});
      socket.write(`${head.join("\r\n")}\r\n\r\n`);
      socket.write(almost);
      await closed(socket);
      return received;
    });
    const dropped = await Promise.race([
      Promise.any(
        slow.map((one) => one.then((text) => (text.includes(" 503 ") ? text : Promise.reject(new Error(text))))),
      ),
      Promise.all(slow),
    ]);
    expect(dropped).toContain('{"status":"unavailable","reason":"overloaded"}');
    expect(dropped).toMatch(/retry-after: 1/i);
    expect(await deliver(billing, url.origin)).toEqual(ACCEPTED);
  }, 60_000);
});
