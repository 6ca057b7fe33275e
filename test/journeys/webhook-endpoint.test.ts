import { createHmac } from "node:crypto";
import { describe, expect, onTestFinished, test } from "vitest";
import { ALLOWED_WEBHOOK_EVENTS } from "../../packages/tollkeeper/src/index.ts";
import { openStore } from "../../packages/tollkeeper/src/store/open-store.ts";
import { DIALECTS } from "../support/databases.ts";
import { createWorld, signatureOf, WEBHOOK_SECRET, type World } from "../support/world.ts";

const EVENT = {
  id: "evt_1",
  object: "event",
  type: "invoice.paid",
  created: 1_770_000_000,
  livemode: false,
  data: { object: { id: "in_1", object: "invoice", customer: "cus_1" } },
};

async function post(
  world: World,
  body: string | Uint8Array,
  header: string | null,
): Promise<{ status: number; body: unknown }> {
  const headers = new Headers({
    "content-type": "application/json",
    ...(header !== null && { "stripe-signature": header }),
  });
  const request = new Request("http://app.test/stripe/webhook", {
    method: "POST",
    headers,
    body: typeof body === "string" ? body : body.slice(),
  });
  const response = await world.service.fetch(request);
  return { status: response.status, body: await response.json() };
}

function sign(
  world: World,
  body: string,
  { shift = 0, ...how }: { secret?: string; shift?: number; scheme?: string } = {},
): string {
  return signatureOf(body, world.emulator.now() + shift * 1000, how);
}

async function inboxCount(world: World): Promise<number> {
  const store = openStore({ url: world.databaseUrl, mode: "test" });
  const { pending, done, dead } = await store.inbox.countByState();
  await store.close();
  return pending + done + dead;
}

describe("the webhook's door", () => {
  test("stores a genuine event and says so; the second time it is a duplicate", async () => {
    const world = await createWorld({ pushPlans: false });
    const body = JSON.stringify(EVENT);
    expect(await post(world, body, sign(world, body))).toEqual({
      status: 200,
      body: { status: "accepted", eventId: "evt_1" },
    });
    expect(await post(world, body, sign(world, body))).toEqual({
      status: 200,
      body: { status: "duplicate", eventId: "evt_1" },
    });
    expect(await inboxCount(world)).toBe(1);
  });

  test.each(DIALECTS)("keeps the envelope alone, and on %s the body where that is wanted", async (dialect) => {
    const body = JSON.stringify({ ...EVENT, request: { id: "req_1" }, note: "naïve \u0000 text" });
    const kept = async (keepEventBodies: boolean) => {
      const world = await createWorld({ dialect, pushPlans: false, options: { keepEventBodies } });
      await post(world, body, sign(world, body));
      const store = openStore({ url: world.databaseUrl, mode: "test" });
      onTestFinished(() => store.close());
      return store.inbox.find("evt_1");
    };
    expect(await kept(false)).toMatchObject({ requestId: "req_1", state: "new", body: null });
    expect((await kept(true))?.body).toBe(body);
  });

  test("keeps one of a hundred that come at once", async () => {
    const world = await createWorld({ pushPlans: false });
    const body = JSON.stringify(EVENT);
    const results = await Promise.all(Array.from({ length: 100 }, () => post(world, body, sign(world, body))));
    expect(results.filter((result) => (result.body as { status: string }).status === "accepted")).toHaveLength(1);
    expect(results.every((result) => result.status === 200)).toBe(true);
  });

  test.each([
    ["a forged signature", { secret: "whsec_forged_secret" }, "wrong_signature"],
    ["a stale one", { shift: -301 }, "too_old"],
    ["one from the future", { shift: 301 }, "in_the_future"],
    ["v0 only", { scheme: "v0" }, "no_v1_signature"],
  ])("answers 400 to %s, and keeps no row", async (_name, how, reason) => {
    const world = await createWorld({ pushPlans: false });
    const body = JSON.stringify(EVENT);
    expect(await post(world, body, sign(world, body, how))).toEqual({
      status: 400,
      body: { status: "rejected", reason },
    });
    expect(await inboxCount(world)).toBe(0);
  });

  test("answers 400 without a signature", async () => {
    const world = await createWorld({ pushPlans: false });
    expect(await post(world, JSON.stringify(EVENT), null)).toMatchObject({
      status: 400,
      body: { reason: "missing_header" },
    });
  });

  test("answers 413 to a body over its limit, announced or not, and keeps no row", async () => {
    const world = await createWorld({ pushPlans: false });
    const body = JSON.stringify({ ...EVENT, padding: "x".repeat(1_100_000) });
    expect((await post(world, body, sign(world, body))).status).toBe(413);
    let sent = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += 65_536;
        controller.enqueue(new Uint8Array(65_536));
      },
    });
    const request = new Request("http://app.test/stripe/webhook", { method: "POST", body: endless, duplex: "half" });
    expect((await world.service.fetch(request)).status).toBe(413);
    expect(sent).toBeLessThan(2_000_000);
    expect(await inboxCount(world)).toBe(0);
  });

  test.each([
    ["the other mode's events", { livemode: true }, 400, "rejected"],
    ["a connected account's", { account: "acct_1" }, 200, "ignored"],
    ["types that are not on the list", { type: "charge.succeeded" }, 200, "ignored"],
    ["what is no event", { object: "invoice" }, 400, "rejected"],
  ])("keeps no row of %s", async (_name, change, status, answer) => {
    const world = await createWorld({ pushPlans: false });
    const body = JSON.stringify({ ...EVENT, ...change });
    const result = await post(world, body, sign(world, body));
    expect(result).toMatchObject({ status, body: { status: answer } });
    expect(await inboxCount(world)).toBe(0);
  });

  test.each([
    ["not JSON", "{"],
    ["a list", "[]"],
    ["null", "null"],
    ["a byte order mark alone", "\uFEFF"],
    ["100,000 levels", "[".repeat(100_000)],
    ["a polluted prototype", '{"__proto__":{"id":"evt"},"object":"event"}'],
    ["a number past 2^53", '{"object":"event","created":99999999999999999999}'],
  ])("answers 400 to signed %s", async (_name, body) => {
    const world = await createWorld({ pushPlans: false });
    expect((await post(world, body, sign(world, body))).status).toBe(400);
  });

  test("answers 400 to signed bytes that are not UTF-8", async () => {
    const world = await createWorld({ pushPlans: false });
    const bytes = Uint8Array.from([0x7b, 0xff, 0xfe, 0x7d]);
    const at = Math.floor(world.emulator.now() / 1000);
    const digest = createHmac("sha256", WEBHOOK_SECRET).update(`${at}.`).update(bytes).digest("hex");
    expect((await post(world, bytes, `t=${at},v1=${digest}`)).status).toBe(400);
  });

  test("answers 503, never 2xx, while the store is down", async () => {
    const world = await createWorld({ pushPlans: false });
    await world.service.stop();
    const body = JSON.stringify(EVENT);
    expect(await post(world, body, sign(world, body))).toMatchObject({ status: 503, body: { status: "unavailable" } });
  });

  test("logs each outcome with the event's id and type, and neither payload nor secret", async () => {
    const world = await createWorld({ pushPlans: false });
    const body = JSON.stringify({
      ...EVENT,
      data: { object: { ...EVENT.data.object, customer_email: "ada@example.com" } },
    });
    await post(world, body, sign(world, body));
    await post(world, body, sign(world, body, { secret: "whsec_forged_secret" }));
    const log = JSON.stringify(world.log);
    const told = world.log.filter(({ message }) => message.startsWith("webhook"));
    expect(told.map(({ level, message }) => `${level}: ${message}`)).toEqual([
      "debug: webhook received",
      "warn: webhook refused",
    ]);
    expect(told[0]?.fields).toEqual({
      eventId: "evt_1",
      eventType: "invoice.paid",
      objectId: "in_1",
      lane: "cus_1",
      outcome: "accepted",
    });
    expect(log).not.toContain("ada@example.com");
    expect(log).not.toContain("whsec_");
  });

  test("listens to each event for a reason", () => {
    expect(ALLOWED_WEBHOOK_EVENTS.get("invoice.paid")).toMatchObject({ object: "invoice" });
    for (const [type, { reason }] of ALLOWED_WEBHOOK_EVENTS) expect(reason, type).toMatch(/^[A-Z].+\.$/);
  });
});
