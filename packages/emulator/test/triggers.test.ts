/** What `stripe trigger` asks of Stripe, asked of the emulator: the fixtures of the Stripe CLI, as they are. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { play, type Fixture, type Played } from "./support/fixture.ts";
import { createSdk } from "./support/sdk.ts";

const FOLDER = new URL("triggers/", import.meta.url);

/** Fixtures with a parameter that the pinned version has no more, and no other for: they are refused. */
const REFUSED: Readonly<Record<string, string>> = {
  "customer.discount.created": "coupon",
  "customer.discount.deleted": "coupon",
  "customer.discount.updated": "coupon",
};

/** Fixtures of what the emulator leaves to Stripe. */
const OUT_OF_SCOPE: Readonly<Record<string, string>> = {
  "checkout.session.async_payment_failed": "cards alone can pay, no bank debits",
  "checkout.session.async_payment_succeeded": "cards alone can pay, no bank debits",
  "payment_intent.processing": "cards alone can pay, no bank debits",
  "customer.source.created": "cards are payment methods, not sources",
  "subscription_schedule.aborted": "it cancels a schedule that has not begun, which Stripe documents as canceled",
  "subscription_schedule.expiring": "it stops nine days before the end, and Stripe documents a notice of seven",
  "customer.source.updated": "cards are payment methods, not sources",
};

/**
 * Parameters that the pinned version calls otherwise. The SDK's changelog: `payment_method_types` went with 2026-09-30,
 * `coupon` of promotion codes with 2025-09-30.
 */
const RENAMED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "/v1/payment_intents": { payment_method_types: "allowed_payment_method_types" },
  "/v1/setup_intents": { payment_method_types: "allowed_payment_method_types" },
  "/v1/promotion_codes": { coupon: "promotion[coupon]" },
};
const ADDED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "/v1/promotion_codes": { "promotion[type]": "coupon" },
};

/** Where the file's name is not the event's. */
const EVENTS: Readonly<Record<string, string>> = {
  "subscription.payment_failed": "invoice.payment_failed",
  "subscription.payment_succeeded": "invoice.payment_succeeded",
};

const names = readdirSync(FOLDER)
  .filter((file) => file.endsWith(".json"))
  .map((file) => file.slice(0, -".json".length));
const left = new Set([...Object.keys(REFUSED), ...Object.keys(OUT_OF_SCOPE)]);

describe("the Stripe CLI triggers", () => {
  test.each(names.filter((name) => !left.has(name)))("%s", async (name) => {
    // Some customers have no card; their subscriptions must live on to what the fixture is about.
    const { emulator, eventTypes } = createSdk({ afterRetries: "past_due" });
    const played = await play(emulator.fetch, "http://stripe.test", "sk_test_123", upgrade(read(name)));
    expect(played.map(outcome)).toEqual(
      played.map(({ name: request, expectedErrorType }) => `${request}: ${expectedErrorType ?? "answered"}`),
    );
    expect(await eventTypes()).toContain(EVENTS[name] ?? name);
  });

  test.each(Object.entries(REFUSED))("%s is refused for its %s", async (name, param) => {
    const { emulator } = createSdk();
    const played = await play(emulator.fetch, "http://stripe.test", "sk_test_123", read(name));
    const refused = played.find(({ status }) => status !== 200);
    expect(refused).toMatchObject({ status: 400, body: { error: { code: "parameter_unknown", param } } });
  });

  test("every fixture that is left out is there", () => {
    expect([...left].filter((name) => !names.includes(name))).toEqual([]);
  });
});

function outcome({ name, body, expectedErrorType }: Played): string {
  if (!body.error) return `${name}: answered`;
  return `${name}: ${body.error.type === expectedErrorType ? expectedErrorType : body.error.message}`;
}

function read(name: string): Fixture {
  return JSON.parse(readFileSync(new URL(`${name}.json`, FOLDER), "utf8")) as Fixture;
}

function upgrade({ fixtures }: Fixture): Fixture {
  return {
    fixtures: fixtures.map((request) => {
      if (request.path === "/v1/subscription_schedules") return withDurations(request);
      const renamed = RENAMED[request.path] ?? {};
      const params = Object.entries(request.params ?? {}).map(
        ([name, value]) => [renamed[name] ?? name, value] as const,
      );
      return {
        ...request,
        params: { ...(request.method === "post" && ADDED[request.path]), ...Object.fromEntries(params) },
      };
    }),
  };
}

/** `iterations` of a phase went with 2025-09-30: a phase now has a `duration`. */
function withDurations(request: Fixture["fixtures"][number]): Fixture["fixtures"][number] {
  const text = JSON.stringify(request).replaceAll(
    /"iterations":\s*"?(\d+)"?/g,
    '"duration":{"interval":"month","interval_count":$1}',
  );
  return JSON.parse(text) as Fixture["fixtures"][number];
}
