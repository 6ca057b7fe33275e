/** Tests the settings of Stripe Tax as options, over HTTP, and in copies of the state. */
import { expect, test } from "vitest";
import { deserialize, serialize } from "../src/core/snapshots.ts";
import { createEmulator, type Emulator } from "../src/index.ts";
import { connect, START } from "./support/sdk.ts";
import { createTaxSdk, SELLER, subscribeWithTax } from "./support/taxes.ts";

const SETTINGS = "http://stripe.test/_emulator/settings";
const NEW_RATE = { country: "DE", rates: [{ country: "DE", percentage: 25 }] };

const post = (emulator: Emulator, url: string, body: object) =>
  emulator.fetch(
    new Request(url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
  );
const totalOf = async (emulator: Pick<Emulator, "fetch">) =>
  (await subscribeWithTax(connect(emulator, "sk_test_123"))).invoice.total;

test("a request to the control route replaces the tax settings", async () => {
  const { emulator } = createTaxSdk();
  const response = await post(emulator, SETTINGS, { tax: NEW_RATE });
  expect(await response.json()).toMatchObject({
    after_retries: "cancel",
    tax: { country: "DE", default_behavior: null, rates: [{ country: "DE", percentage: 25, registered: true }] },
  });
  expect(await totalOf(emulator)).toBe(1_250);
  const refused = await post(emulator, SETTINGS, { tax: { rates: [{ country: "Germany", percentage: 19 }] } });
  expect(refused.status).toBe(400);
  expect(await refused.json()).toMatchObject({
    error: { message: "tax.rates.0.country: must be a country code such as DE" },
  });
  expect(await totalOf(emulator)).toBe(1_250);
});

test("snapshots, forks and state files keep the tax settings, and a reset restores the options", async () => {
  const { emulator } = createTaxSdk();
  const before = emulator.snapshot();
  await post(emulator, SETTINGS, { tax: NEW_RATE });
  expect(await totalOf(emulator.fork())).toBe(1_250);
  emulator.restore(before);
  expect(await totalOf(emulator)).toBe(1_190);
  await post(emulator, SETTINGS, { tax: NEW_RATE });
  await emulator.fetch(new Request("http://stripe.test/_emulator/reset", { method: "POST" }));
  expect(await totalOf(emulator)).toBe(1_190);
  expect(deserialize(serialize(emulator.snapshot()))?.tax).toEqual(emulator.snapshot().tax);
});

test("a state file of an emulator without tax settings gets the default settings", () => {
  const { tax: _tax, ...old } = createTaxSdk().emulator.snapshot();
  expect(deserialize(JSON.stringify({ ...old, accounts: { $map: [] } }))?.tax).toEqual({
    country: "US",
    default_behavior: null,
    ip_locations: {},
    rates: [],
  });
});

test("an invalid tax setting is refused with its name", () => {
  const rates = [{ country: "DE", percentage: 119 }];
  expect(() => createEmulator({ startAt: START, tax: { ...SELLER, rates } })).toThrow(
    /^The option tax\.rates\.0\.percentage is invalid/,
  );
});
