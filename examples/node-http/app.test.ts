/** Tests what users of the app may do. The service, a local Stripe and one clock run in the test. */
import { createTestBilling } from "tollkeeper/testing";
import { expect, test } from "vitest";
import { createApp } from "./app.ts";
import { plans } from "./plans.ts";

async function start() {
  const billing = await createTestBilling({ plans });
  const send = billing.fetch(createApp(billing.service));
  const exportAs = async (user: string | null) => (await send(user, "/export")).status;
  return { billing, send, exportAs };
}

test("the export needs a sign-in and a plan", async () => {
  const { billing, exportAs } = await start();
  expect(await exportAs(null)).toBe(401);
  expect(await exportAs("ada")).toBe(403);
  await billing.user("ada").subscribe("premium");
  expect(await exportAs("ada")).toBe(200);
  expect(await exportAs("bob")).toBe(403);
});

test("a failed renewal ends access after the grace period", async () => {
  const { billing, exportAs } = await start();
  const ada = await billing.user("ada").subscribe("premium", { interval: "month" });
  await ada.failPayments();
  await billing.advance({ months: 1, days: 1 });
  expect(await exportAs("ada")).toBe(200);
  await billing.advance({ days: 7 });
  expect(await exportAs("ada")).toBe(403);
});

test("if webhooks are lost, access begins within an hour", async () => {
  const { billing, exportAs } = await start();
  billing.webhooks.lose();
  await billing.user("ada").subscribe("premium");
  expect(await exportAs("ada")).toBe(403);
  await billing.advance({ hours: 1, minutes: 1 });
  expect(await exportAs("ada")).toBe(200);
});

test("the app opens a checkout", async () => {
  const { send } = await start();
  const response = await send("ada", "/stripe/create-checkout-session", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ plan: "premium", interval: "month" }),
  });
  expect(response.status).toBe(200);
});
