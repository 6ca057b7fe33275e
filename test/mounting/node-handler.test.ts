import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { connect } from "node:net";
import express from "express";
import { describe, expect, onTestFinished, test } from "vitest";
import { toNodeHandler } from "../../packages/tollkeeper/src/index.ts";
import { createWorld, signatureOf, type World } from "../support/world.ts";

const EVENT = JSON.stringify({
  id: "evt_1",
  object: "event",
  type: "invoice.paid",
  created: 1_770_000_000,
  livemode: false,
  data: { object: { id: "in_1", object: "invoice", customer: "cus_1" } },
});

async function serve(handler: RequestListener): Promise<string> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function deliver(world: World, url: string): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${url}/stripe/webhook`, {
    method: "POST",
    headers: { "content-type": "application/json", "stripe-signature": signatureOf(EVENT, world.emulator.now()) },
    body: EVENT,
  });
  return { status: response.status, body: await response.json() };
}

const ACCEPTED = { status: 200, body: { status: "accepted", eventId: "evt_1" } };

describe("the handler for Node", () => {
  test("takes a webhook ahead of express.json()", async () => {
    const world = await createWorld({ pushPlans: false });
    const app = express().use(toNodeHandler(world.service)).use(express.json());
    expect(await deliver(world, await serve(app))).toEqual(ACCEPTED);
  });

  test("says what to do behind express.json(), which has eaten the raw bytes", async () => {
    const world = await createWorld({ pushPlans: false });
    const app = express().use(express.json()).use(toNodeHandler(world.service));
    expect(await deliver(world, await serve(app))).toMatchObject({
      status: 500,
      body: { error: { code: "body_already_read", message: expect.stringContaining("rawBody") as string } },
    });
  });

  test("takes the raw bytes that a body parser has kept", async () => {
    const world = await createWorld({ pushPlans: false });
    const keep = express.json({ verify: (request, _response, bytes) => Object.assign(request, { rawBody: bytes }) });
    const app = express().use(keep).use(toNodeHandler(world.service));
    expect(await deliver(world, await serve(app))).toEqual(ACCEPTED);
  });

  test("leaves an answer that a middleware has given alone, and lives on", async () => {
    const world = await createWorld({ pushPlans: false });
    const impatient = express()
      .use((_request, response, next) => {
        response.status(503).send("too late");
        next();
      })
      .use(toNodeHandler(world.service));
    const url = await serve(impatient);
    const answer = await fetch(`${url}/stripe/webhook`, { method: "POST", body: EVENT });
    expect(answer.status).toBe(503);
    await answer.text();
    expect((await fetch(`${url}/stripe/webhook`, { method: "POST", body: EVENT })).status).toBe(503);
  });

  test("works mounted under its base path, too", async () => {
    const world = await createWorld({ pushPlans: false });
    const app = express().use("/stripe", toNodeHandler(world.service));
    expect(await deliver(world, await serve(app))).toEqual(ACCEPTED);
  });

  test("leaves the app's other routes to the app, also those whose names begin alike", async () => {
    const world = await createWorld({ pushPlans: false });
    const app = express().use(toNodeHandler(world.service));
    app.get(["/stripes", "/"], (_request, response) => void response.send("the app's"));
    const url = await serve(app);
    expect(await (await fetch(`${url}/stripes`)).text()).toBe("the app's");
    expect(await (await fetch(`${url}/`)).text()).toBe("the app's");
  });

  test("under a path of a router leaves the router's other routes to it", async () => {
    const world = await createWorld({ pushPlans: false, options: { basePath: "/api/stripe" } });
    const api = express.Router().use(toNodeHandler(world.service));
    api.get("/me", (_request, response) => void response.send("the app's"));
    const url = await serve(express().use("/api", api));
    expect((await fetch(`${url}/api/stripe/health`)).status).toBe(200);
    expect(await (await fetch(`${url}/api/me`)).text()).toBe("the app's");
  });

  test("answers 413 to a body that goes on past the limit, and reads no further", async () => {
    const world = await createWorld({ pushPlans: false });
    const url = new URL(await serve(toNodeHandler(world.service)));
    const answer = await new Promise<string>((resolve, reject) => {
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
        `POST /stripe/webhook HTTP/1.1\r\nhost: ${url.host}\r\nstripe-signature: t=1,v1=00\r\ntransfer-encoding: chunked\r\n\r\n`,
      );
      more();
    });
    expect(answer).toMatch(/^HTTP\/1.1 413 /);
    expect(answer).toContain('"rejected"');
  });
});
