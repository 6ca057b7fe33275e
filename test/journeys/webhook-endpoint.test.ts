import { createHmac } from "node:crypto";
import { describe, expect, onTestFinished, test } from "vitest";
import { ALLOWED_WEBHOOK_EVENTS } from "../../packages/tollkeeper/src/index.ts";
import { openStore } from "../../packages/tollkeeper/src/store/open-store.ts";
import { DIALECTS } from "../support/databases.ts";
import { signWebhook, TEST_WEBHOOK_SECRET } from "../../packages/tollkeeper/src/testing/harness/index.ts";
import { createTestHarness, type TestHarness } from "../support/harness.ts";

const EVENT = {
  id: "evt_1",
  object: "event",
  type: "invoice.paid",
  created: 1_770_000_000,
  livemode: false,
  data: { object: { id: "in_1", object: "invoice", customer: "cus_1" } },
};

async function post(
  billing: TestHarness,
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
  const response = await billing.service.fetch(request);
  return { status: response.status, body: await response.json() };
}

function sign(
  billing: TestHarness,
  body: string,
  { shift = 0, ...how }: { secret?: string; shift?: number; scheme?: "v0" } = {},
): string {
  return signWebhook(body, { now: billing.emulator.now() + shift * 1000, ...how });
}

async function inboxCount(billing: TestHarness): Promise<number> {
  const store = openStore({ url: billing.databaseUrl, mode: "test" });
  const { pending, done, dead } = await store.inbox.countByState();
  await store.close();
  return pending + done + dead;
}

describe("the webhook endpoint", () => {
  test("stores a signed event, and reports its second delivery as a duplicate", async () => {
    const billing = await createTestHarness({ pushPlans: false });
    const body = JSON.stringify(EVENT);
    expect(await post(billing, body, sign(billing, body))).toEqual({
      status: 200,
      body: { status: "accepted", eventId: "evt_1" },
    });
    expect(await post(billing, body, sign(billing, body))).toEqual({
      status: 200,
      body: { status: "duplicate", eventId: "evt_1" },
    });
    expect(await inboxCount(billing)).toBe(1);
  });

  test.each(DIALECTS)("stores an event's body only if KEEP_EVENT_BODIES is set, on %s", async (dialect) => {
    const body = JSON.stringify({ ...EVENT, request: { id: "req_1" }, note: "naïve \u0000 text" });
    const kept = async (keepEventBodies: boolean) => {
      const billing = await createTestHarness({ dialect, pushPlans: false, options: { keepEventBodies } });
      await post(billing, body, sign(billing, body));
      const store = openStore({ url: billing.databaseUrl, mode: "test" });
      onTestFinished(() => store.close());
      return store.inbox.find("evt_1");
    };
    expect(await kept(false)).toMatchObject({ requestId: "req_1", state: "new", body: null });
    expect((await kept(true))?.body).toBe(body);
  });

  test("stores an event once if it is delivered a hundred times at the same time", async () => {
    const billing = await createTestHarness({ pushPlans: false });
    const body = JSON.stringify(EVENT);
    const results = await Promise.all(Array.from({ length: 100 }, () => post(billing, body, sign(billing, body))));
    expect(results.filter((result) => (result.body as { status: string }).status === "accepted")).toHaveLength(1);
    expect(results.every((result) => result.status === 200)).toBe(true);
  });

  test.each([
    ["a forged signature", { secret: "whsec_forged_secret" }, "wrong_signature"],
    ["a stale one", { shift: -301 }, "too_old"],
    ["one from the future", { shift: 301 }, "in_the_future"],
    ["v0 only", { scheme: "v0" as const }, "no_v1_signature"],
  ])("returns 400 for %s and stores no event", async (_name, how, reason) => {
    const billing = await createTestHarness({ pushPlans: false });
    const body = JSON.stringify(EVENT);
    expect(await post(billing, body, sign(billing, body, how))).toEqual({
      status: 400,
      body: { status: "rejected", reason },
    });
    expect(await inboxCount(billing)).toBe(0);
  });

  test("returns 400 for a request without a signature", async () => {
    const billing = await createTestHarness({ pushPlans: false });
    expect(await post(billing, JSON.stringify(EVENT), null)).toMatchObject({
      status: 400,
      body: { reason: "missing_header" },
    });
  });

  test("returns 413 and stores no event if the body exceeds the size limit, with or without a content length", async () => {
    const billing = await createTestHarness({ pushPlans: false });
    const body = JSON.stringify({ ...EVENT, padding: "x".repeat(1_100_000) });
    expect((await post(billing, body, sign(billing, body))).status).toBe(413);
    let sent = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += 65_536;
        controller.enqueue(new Uint8Array(65_536));
      },
    });
    const deliver = async (headers: Record<string, string>) =>
      billing.service.fetch(
        new Request("http://app.test/stripe/webhook", { method: "POST", headers, body: endless, duplex: "half" }),
      );
    expect((await deliver({})).status).toBe(400);
    expect(sent).toBeLessThan(100_000);
    expect((await deliver({ "stripe-signature": sign(billing, "") })).status).toBe(413);
    expect(sent).toBeLessThan(2_000_000);
    expect(await inboxCount(billing)).toBe(0);
  });

  test.each([
    ["the other mode's events", { livemode: true }, 400, "rejected"],
    ["a connected account's", { account: "acct_1" }, 200, "ignored"],
    ["types that are not on the list", { type: "charge.succeeded" }, 200, "ignored"],
    ["what is no event", { object: "invoice" }, 400, "rejected"],
  ])("stores no event for %s", async (_name, change, status, outcome) => {
    const billing = await createTestHarness({ pushPlans: false });
    const body = JSON.stringify({ ...EVENT, ...change });
    const result = await post(billing, body, sign(billing, body));
    expect(result).toMatchObject({ status, body: { status: outcome } });
    expect(await inboxCount(billing)).toBe(0);
  });

  const THIN = { object: "v2.core.event", data: undefined, created: "2026-11-30T12:00:00.000Z" };
  test.each<[name: string, change: object]>([
    [
      "invoice.upcoming, whose invoice has no id",
      { type: "invoice.upcoming", data: { object: { object: "invoice" } } },
    ],
    ["a thin event of API v2", { ...THIN, type: "v2.core.event_destination.ping" }],
    ["a thin event without a related object", { ...THIN, type: "v1.invoice.upcoming", related_object: null }],
    ["no data", { type: "balance.available", data: null }],
    ["a list as data", { type: "balance.available", data: [] }],
    ["a list as object", { type: "balance.available", data: { object: [{ id: 1 }] } }],
    ["an object with a numeric id", { type: "balance.available", data: { object: { id: 7 } } }],
    ["no mode", { type: "balance.available", livemode: undefined }],
    ["a mode that is a text", { type: "balance.available", livemode: "false" }],
    ["no id", { type: "balance.available", id: undefined }],
    ["an id of 300 characters", { type: "balance.available", id: "e".repeat(300) }],
    ["no object", { type: "balance.available", object: undefined }],
    ["a time far in the future", { type: "balance.available", created: 1e300 }],
    ["a type of 300 characters", { type: "t".repeat(300) }],
    ["an event of a connected account without an object", { account: "acct_1", data: {} }],
    ["a test event of a connected account at a live endpoint", { account: "acct_1", livemode: true }],
    ["an account with an id of 300 characters", { account: "a".repeat(300) }],
  ])("responds with 200 ignored to an event that is not needed, whatever its shape: %s", async (_name, change) => {
    const billing = await createTestHarness({ pushPlans: false });
    const body = JSON.stringify({ ...EVENT, ...change });
    expect(await post(billing, body, sign(billing, body))).toMatchObject({ status: 200, body: { status: "ignored" } });
    expect(await inboxCount(billing)).toBe(0);
    expect(billing.log.filter(({ level }) => level === "warn")).toEqual([]);
  });

  test.each<[name: string, change: object]>([
    ["no object", { data: {} }],
    ["no data", { data: null }],
    ["an object without an id", { data: { object: { object: "invoice" } } }],
    ["an object whose id is too long", { data: { object: { id: "i".repeat(256) } } }],
    ["no id", { id: undefined }],
    ["an id that is too long", { id: "e".repeat(256) }],
    ["no mode", { livemode: null }],
    ["no time", { created: null }],
  ])("rejects an event that is needed but has %s", async (_name, change) => {
    const billing = await createTestHarness({ pushPlans: false });
    const body = JSON.stringify({ ...EVENT, ...change });
    expect(await post(billing, body, sign(billing, body))).toEqual({
      status: 400,
      body: { status: "rejected", reason: "invalid_event" },
    });
    expect(billing.log.at(-1)).toMatchObject({ level: "warn", fields: { reason: "invalid_event" } });
  });

  test("logs why an event is not stored if the database can't be prepared", async () => {
    const databaseUrl = "postgres://ada:secret@127.0.0.1:1/billing";
    const billing = await createTestHarness({ pushPlans: false });
    const service = billing.addReplica({ databaseUrl });
    const body = JSON.stringify(EVENT);
    expect(await post({ ...billing, service }, body, sign(billing, body))).toEqual({
      status: 503,
      body: { status: "unavailable", reason: "store_unavailable" },
    });
    expect(billing.log.filter(({ message }) => message.startsWith("webhook not stored"))).toMatchObject([
      { fields: { error: expect.stringContaining("ECONNREFUSED") as string } },
    ]);
    expect(JSON.stringify(billing.log)).not.toContain("secret");
  });

  test("logs why the body of an event could not be read", async () => {
    const billing = await createTestHarness({ pushPlans: false });
    const reply = await billing.service.receiveWebhook({
      signature: sign(billing, "{}"),
      readBody: () => Promise.reject(new TypeError("request.rawBody is not a function")),
    });
    expect(reply.status).toBe(400);
    expect(billing.log.at(-1)).toMatchObject({
      level: "warn",
      message: "webhook rejected",
      fields: { reason: "unreadable_body", error: "request.rawBody is not a function" },
    });
  });

  test("checks the signature of an event before anything else", async () => {
    const billing = await createTestHarness({ pushPlans: false });
    const body = JSON.stringify({ ...EVENT, type: "invoice.upcoming" });
    const forged = sign(billing, body, { secret: "whsec_forged_secret" });
    expect(await post(billing, body, forged)).toMatchObject({ status: 400, body: { reason: "wrong_signature" } });
  });

  test("logs the mode of an event and the mode of the service if they differ", async () => {
    const billing = await createTestHarness({ pushPlans: false });
    const body = JSON.stringify({ ...EVENT, livemode: true });
    expect(await post(billing, body, sign(billing, body))).toMatchObject({ body: { reason: "wrong_mode" } });
    expect(billing.log.at(-1)).toMatchObject({
      level: "warn",
      message: "webhook rejected",
      fields: { eventId: "evt_1", reason: "wrong_mode", eventMode: "live", serviceMode: "test" },
    });
  });

  test.each([
    ["not JSON", "{"],
    ["a list", "[]"],
    ["null", "null"],
    ["a byte order mark alone", "\uFEFF"],
    ["100,000 levels", "[".repeat(100_000)],
    ["a polluted prototype", '{"__proto__":{"id":"evt"},"object":"event"}'],
    ["a number past 2^53", '{"object":"event","created":99999999999999999999}'],
  ])("rejects an invalid body with 400, even if it is signed (%s)", async (_name, body) => {
    const billing = await createTestHarness({ pushPlans: false });
    expect((await post(billing, body, sign(billing, body))).status).toBe(400);
  });

  test("returns 400 for a signed body that is not valid UTF-8", async () => {
    const billing = await createTestHarness({ pushPlans: false });
    const bytes = Uint8Array.from([0x7b, 0xff, 0xfe, 0x7d]);
    const at = Math.floor(billing.emulator.now() / 1000);
    const digest = createHmac("sha256", TEST_WEBHOOK_SECRET).update(`${at}.`).update(bytes).digest("hex");
    expect((await post(billing, bytes, `t=${at},v1=${digest}`)).status).toBe(400);
  });

  test("returns 503 instead of 2xx while the store is down", async () => {
    const billing = await createTestHarness({ pushPlans: false });
    await billing.service.stop();
    const body = JSON.stringify(EVENT);
    expect(await post(billing, body, sign(billing, body))).toMatchObject({
      status: 503,
      body: { status: "unavailable" },
    });
  });

  test("counts each webhook with its outcome and the reason for a rejection", async () => {
    const metricsToken = "metrics-token-1234";
    const billing = await createTestHarness({ pushPlans: false, options: { metricsToken } });
    const body = JSON.stringify(EVENT);
    await post(billing, body, sign(billing, body));
    await post(billing, body, null);
    await post(billing, body, sign(billing, body, { secret: "whsec_forged_secret" }));
    await post(billing, "x".repeat(1_100_000), sign(billing, ""));
    const live = JSON.stringify({ ...EVENT, livemode: true });
    await post(billing, live, sign(billing, live));
    const metrics = await billing.service.fetch(
      new Request("http://app.test/stripe/metrics", { headers: { authorization: `Bearer ${metricsToken}` } }),
    );
    const lines = (await metrics.text()).split("\n").filter((line) => line.startsWith("tollkeeper_webhooks_total"));
    expect(lines).toEqual([
      'tollkeeper_webhooks_total{outcome="accepted"} 1',
      'tollkeeper_webhooks_total{outcome="rejected",reason="missing_header"} 1',
      'tollkeeper_webhooks_total{outcome="rejected",reason="wrong_signature"} 1',
      'tollkeeper_webhooks_total{outcome="rejected",reason="payload_too_large"} 1',
      'tollkeeper_webhooks_total{outcome="rejected",reason="wrong_mode"} 1',
    ]);
  });

  test("logs each outcome with the event's id and type, but without the payload and secrets", async () => {
    const billing = await createTestHarness({ pushPlans: false });
    const body = JSON.stringify({
      ...EVENT,
      data: { object: { ...EVENT.data.object, customer_email: "ada@example.com" } },
    });
    await post(billing, body, sign(billing, body));
    await post(billing, body, sign(billing, body, { secret: "whsec_forged_secret" }));
    const log = JSON.stringify(billing.log);
    const lines = billing.log.filter(({ message }) => message.startsWith("webhook"));
    expect(lines.map(({ level, message }) => `${level}: ${message}`)).toEqual([
      "debug: webhook received",
      "warn: webhook rejected",
    ]);
    expect(lines[0]?.fields).toEqual({
      eventId: "evt_1",
      eventType: "invoice.paid",
      objectId: "in_1",
      lane: "cus_1",
      outcome: "accepted",
    });
    expect(log).not.toContain("ada@example.com");
    expect(log).not.toContain("whsec_");
  });

  test("has a documented reason for each event type that it allows", () => {
    expect(ALLOWED_WEBHOOK_EVENTS.get("invoice.paid")).toMatchObject({ object: "invoice" });
    for (const [type, { reason }] of ALLOWED_WEBHOOK_EVENTS) expect(reason, type).toMatch(/^[A-Z].+\.$/);
  });
});
