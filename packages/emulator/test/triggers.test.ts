/**
 * Runs the fixtures of `stripe trigger`, a command of the Stripe CLI. The test converts a fixture to the emulator's API version
 * only if this version requires a conversion.
 */
import { readdirSync, readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { describe, expect, test } from "vitest";
import type { Scenario } from "../src/verify/scenario.ts";
import { play, type Played } from "./support/fixture.ts";
import { createSdk } from "./support/sdk.ts";

const FOLDER = new URL("triggers/", import.meta.url);

/**
 * Each key is the name of a fixture that the pinned API version rejects. Each value is the fixture's rejected parameter, which
 * has no replacement.
 */
const REFUSED: Readonly<Record<string, string>> = {
  "customer.discount.created": "coupon",
  "customer.discount.deleted": "coupon",
  "customer.discount.updated": "coupon",
};

/** Maps each fixture that the test does not run to the reason why the test omits the fixture. */
const OUT_OF_SCOPE: Readonly<Record<string, string>> = {
  "checkout.session.async_payment_failed": "cards alone can pay, no bank debits",
  "checkout.session.async_payment_succeeded": "cards alone can pay, no bank debits",
  "payment_intent.processing": "cards alone can pay, no bank debits",
  "subscription_schedule.aborted": "it cancels a schedule that has not begun, which Stripe documents as canceled",
  "subscription_schedule.expiring": "it stops nine days before the end, and Stripe documents a notice of seven",
};

/**
 * Maps old names of parameters to the names in newer API versions. According to the SDK's changelog, version 2026-09-30 removed
 * `payment_method_types`, and version 2025-09-30 removed `coupon` of promotion codes.
 */
const RENAMED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "/v1/payment_intents": { payment_method_types: "allowed_payment_method_types" },
  "/v1/setup_intents": { payment_method_types: "allowed_payment_method_types" },
  "/v1/promotion_codes": { coupon: "promotion[coupon]" },
};
const ADDED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "/v1/promotion_codes": { "promotion[type]": "coupon" },
};

/**
 * Each key is the name of a fixture file that differs from the type of the fixture's expected event. Each value is the
 * type of the expected event.
 */
const EVENTS: Readonly<Record<string, string>> = {
  "subscription.payment_failed": "invoice.payment_failed",
  "subscription.payment_succeeded": "invoice.payment_succeeded",
};

/** The fixtures contain cosmetic parameters. */
const FOREIGN = { strict: false, onWarning: () => {} };

/**
 * Maps the start of the names of other fixtures to the reason why the folder does not contain them. The variable
 * STRIPE_CLI_TRIGGERS names the folder of all fixtures in a copy of the Stripe CLI.
 */
const OTHER_FEATURES: Readonly<Record<string, string>> = {
  "account.": "the emulator refuses Connect",
  "balance.": "the emulator has no balance",
  "cash_balance.": "cards alone can pay, no bank transfers",
  "payment_intent.partially_funded": "cards alone can pay, no bank transfers",
  "identity.": "the emulator refuses Identity",
  issuing_: "the emulator refuses Issuing",
  "payment_link.": "the emulator refuses payment links",
  "payout.": "the emulator refuses payouts",
  "quote.": "the emulator refuses quotes",
  "reporting.": "the emulator refuses reports",
  "topup.": "the emulator refuses top-ups",
  "transfer.": "the emulator refuses Connect",
  "v1.billing.meter.": "the emulator refuses the v2 API of meters",
};

const namesIn = (folder: URL): string[] =>
  readdirSync(folder)
    .filter((file) => file.endsWith(".json"))
    .map((file) => file.slice(0, -".json".length));
const names = namesIn(FOLDER);
const cliFolder = process.env["STRIPE_CLI_TRIGGERS"];
const left = new Set([...Object.keys(REFUSED), ...Object.keys(OUT_OF_SCOPE)]);

describe("fixtures of the Stripe CLI", () => {
  test.each(names.filter((name) => !left.has(name)))(
    "the Stripe CLI fixture %s runs and causes the expected event",
    async (name) => {
      // Some customers in the fixtures have no card. With `afterRetries: "past_due"`, the subscriptions of customers without a
      // card are not canceled before the expected event.
      const { emulator, eventTypes } = createSdk({ ...FOREIGN, afterRetries: "past_due" });
      const played = await play(emulator.fetch, "http://stripe.test", "sk_test_123", upgrade(read(name)));
      expect(played.map(outcome)).toEqual(
        played.map(({ name: request, expectedErrorType }) => `${request}: ${expectedErrorType ?? "answered"}`),
      );
      expect(await eventTypes()).toContain(EVENTS[name] ?? name);
    },
  );

  test.each(Object.entries(REFUSED))(
    "the Stripe CLI fixture %s is rejected because of its parameter %s",
    async (name, param) => {
      const { emulator } = createSdk(FOREIGN);
      const played = await play(emulator.fetch, "http://stripe.test", "sk_test_123", read(name));
      const refused = played.find(({ status }) => status !== 200);
      expect(refused).toMatchObject({ status: 400, body: { error: { code: "parameter_unknown", param } } });
    },
  );

  test("every excluded Stripe CLI fixture exists", () => {
    expect([...left].filter((name) => !names.includes(name))).toEqual([]);
  });
});

test.skipIf(cliFolder === undefined)(
  "every other fixture of the Stripe CLI needs a feature that the emulator lacks",
  async () => {
    const folder = pathToFileURL(`${cliFolder ?? ""}/`);
    const others = namesIn(folder).filter((name) => !names.includes(name));
    expect(others.filter((name) => !Object.keys(OTHER_FEATURES).some((start) => name.startsWith(start)))).toEqual([]);
    for (const name of others) {
      const { emulator, eventTypes } = createSdk();
      await play(emulator.fetch, "http://stripe.test", "sk_test_123", upgrade(read(name, folder)));
      expect(await eventTypes(), name).not.toContain(name);
    }
  },
);

function outcome({ name, body, expectedErrorType }: Played): string {
  if (!body.error) return `${name}: answered`;
  return `${name}: ${body.error.type === expectedErrorType ? expectedErrorType : body.error.message}`;
}

function read(name: string, folder = FOLDER): Scenario {
  return JSON.parse(readFileSync(new URL(`${name}.json`, folder), "utf8")) as Scenario;
}

function upgrade({ fixtures }: Scenario): Scenario {
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

/** Replaces `iterations` of schedule phases with `duration`. API version 2025-09-30 replaced the parameter `iterations`. */
function withDurations(request: Scenario["fixtures"][number]): Scenario["fixtures"][number] {
  const text = JSON.stringify(request).replaceAll(
    /"iterations":\s*"?(\d+)"?/g,
    '"duration":{"interval":"month","interval_count":$1}',
  );
  return JSON.parse(text) as Scenario["fixtures"][number];
}
