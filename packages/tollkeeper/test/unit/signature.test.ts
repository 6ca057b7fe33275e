import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseEnvelope } from "../../src/stripe/webhook/envelope.ts";
import { verifySignature } from "../../src/stripe/webhook/signature.ts";

const NOW = Date.UTC(2026, 0, 1);
const SECONDS = NOW / 1000;
const PAYLOAD = new TextEncoder().encode('{"id":"evt_1","größe":"€"}');
const digest = (secret: string, timestamp: number, payload: Uint8Array = PAYLOAD) =>
  createHmac("sha256", secret).update(`${timestamp}.`).update(payload).digest("hex");
const check = (header: string | null, secrets = ["whsec_new", "whsec_old"]) =>
  verifySignature({ payload: PAYLOAD, header, secrets, now: NOW, toleranceMs: 300_000 });
const good = digest("whsec_new", SECONDS);
/** Returns a valid `Stripe-Signature` header of the given length. */
const padded = (length: number) => `t=${SECONDS},v1=${good},x=`.padEnd(length, "x");

describe("a signature", () => {
  test.each([
    ["a recent v1 signature is valid", `t=${SECONDS},v1=${good}`, true],
    [
      "one valid signature of several is enough while a secret is rolled",
      `t=${SECONDS},v1=${"0".repeat(64)},v1=${digest("whsec_old", SECONDS)}`,
      true,
    ],
    ["a v0 signature is ignored", `t=${SECONDS},v0=abc,v1=${good}`, true],
    [
      "a signature at the limit of the tolerance is valid",
      `t=${SECONDS - 300},v1=${digest("whsec_new", SECONDS - 300)}`,
      true,
    ],
    [
      "a signature from the future at the limit of the tolerance is valid",
      `t=${SECONDS + 300},v1=${digest("whsec_new", SECONDS + 300)}`,
      true,
    ],
    ["spaces after the commas are ignored", `t=${SECONDS}, v1=${good}`, true],
    ["16 signatures are accepted", `t=${SECONDS}${",v1=00".repeat(15)},v1=${good}`, true],
    ["17 signatures", `t=${SECONDS}${",v1=00".repeat(16)},v1=${good}`, "malformed_header"],
    ["a header of 4,096 characters is accepted", padded(4_096), true],
    ["a header of 4,097 characters", padded(4_097), "malformed_header"],
    ["a timestamp that ends with a letter", `t=${SECONDS}x,v1=${good}`, "malformed_header"],
    ["a timestamp that begins with a letter", `t=x${SECONDS},v1=${good}`, "malformed_header"],
    ["a timestamp of 13 digits", `t=${NOW},v1=${good}`, "malformed_header"],
    ["no header", null, "missing_header"],
    ["only a v0 signature", `t=${SECONDS},v0=${good}`, "no_v1_signature"],
    ["a signature with another secret", `t=${SECONDS},v1=${digest("whsec_other", SECONDS)}`, "wrong_signature"],
    ["a shortened signature", `t=${SECONDS},v1=${good.slice(0, 62)}`, "wrong_signature"],
    ["an old signature", `t=${SECONDS - 301},v1=${digest("whsec_new", SECONDS - 301)}`, "too_old"],
    ["a signature from the future", `t=${SECONDS + 301},v1=${digest("whsec_new", SECONDS + 301)}`, "in_the_future"],
    ["a timestamp that was changed afterwards", `t=${SECONDS + 1},v1=${good}`, "wrong_signature"],
    ["two timestamps", `t=${SECONDS},t=${SECONDS},v1=${good}`, "malformed_header"],
    ["no timestamp", `v1=${good}`, "malformed_header"],
    ["a timestamp that is no number", `t=now,v1=${good}`, "malformed_header"],
    ["a header with 1,000 signatures", `t=${SECONDS},v1=${good}${",v1=00".repeat(1000)}`, "malformed_header"],
  ])("%s", (_name, header, expected) => {
    expect(check(header)).toEqual(expected === true ? { valid: true } : { valid: false, reason: expected });
  });

  test("is never valid if the secret is empty", () => {
    const forged = `t=${SECONDS},v1=${digest("", SECONDS)}`;
    expect(check(forged, [""])).toEqual({ valid: false, reason: "wrong_signature" });
  });

  test("is invalid after any change of the body", () => {
    fc.assert(
      fc.property(fc.nat(PAYLOAD.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const payload = PAYLOAD.slice();
        payload[at] = (payload[at] ?? 0) ^ change;
        const result = verifySignature({
          payload,
          header: `t=${SECONDS},v1=${good}`,
          secrets: ["whsec_new"],
          now: NOW,
          toleranceMs: 1,
        });
        expect(result.valid).toBe(false);
      }),
    );
  });

  test("never causes an exception when it is checked, whatever the header contains", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (header) => {
        expect(check(header).valid).toBe(false);
      }),
    );
  });
});

describe("the envelope of an event", () => {
  const event = {
    id: "evt_1",
    object: "event",
    type: "invoice.paid",
    created: 1_700_000_000,
    livemode: false,
    data: { object: { id: "in_1", object: "invoice", customer: "cus_1" } },
  };

  test("contains the ids of the object and its customer, and the creation time", () => {
    expect(parseEnvelope(event)).toEqual({
      id: "evt_1",
      type: "invoice.paid",
      objectId: "in_1",
      customerId: "cus_1",
      mode: "test",
      createdAt: 1_700_000_000_000,
      requestId: null,
    });
    const caused = { ...event, request: { id: "req_1", idempotency_key: "key_1" } };
    expect(parseEnvelope(caused)?.requestId).toBe("req_1");
  });

  test("contains the customer if the event is about a customer", () => {
    expect(
      parseEnvelope({ ...event, type: "customer.updated", data: { object: { id: "cus_9", object: "customer" } } })
        ?.customerId,
    ).toBe("cus_9");
  });

  test("contains the related object of a thin notification", () => {
    const thin = {
      id: "evt_2",
      object: "v2.core.event",
      type: "v1.invoice.paid",
      created: "2026-01-01T00:00:00.000Z",
      livemode: true,
      related_object: { id: "in_1", type: "invoice", url: "/v1/invoices/in_1" },
      reason: { type: "request", request: { id: "req_1", idempotency_key: "key_1" } },
    };
    expect(parseEnvelope(thin)).toMatchObject({
      type: "invoice.paid",
      objectId: "in_1",
      customerId: null,
      mode: "live",
      requestId: "req_1",
    });
  });

  test.each([
    ["nothing", undefined],
    ["a list", []],
    ["another object", { ...event, object: "invoice" }],
    ["no mode", { ...event, livemode: undefined }],
    ["no object", { ...event, data: null }],
    ["a numeric id", { ...event, id: 1 }],
    ["an id of 256 characters", { ...event, id: "e".repeat(256) }],
    ["a time that is no number", { ...event, created: "yesterday" }],
    [
      "an event of API v2",
      { id: "evt_2", object: "v2.core.event", type: "v2.core.account.updated", created: "2026-01-01", livemode: false },
    ],
  ])("is null for %s", (_name, body) => {
    expect(parseEnvelope(body)).toBeNull();
  });

  test("is read without an exception from any JSON value", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (body) => {
        expect(() => parseEnvelope(body)).not.toThrow();
      }),
    );
  });
});
