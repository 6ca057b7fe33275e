/**
 * Tests the expiry of portal sessions: five minutes if they are not opened, and one hour after their last use.
 * @see https://docs.stripe.com/customer-management/integrate-customer-portal
 */
import { expect, test } from "vitest";
import { createSdk, subscriber } from "./support/sdk.ts";

const MINUTE = 60;

async function openPortal() {
  const { stripe, emulator } = createSdk();
  const { customer } = await subscriber(stripe);
  const session = await stripe.billingPortal.sessions.create({
    customer: customer.id,
    return_url: "https://app.test/account",
  });
  const visit = (method = "GET", path = ""): Promise<Response> =>
    emulator.fetch(
      new Request(`${session.url}${path}`, { method, ...(method === "POST" && { body: new FormData() }) }),
    );
  return { stripe, emulator, customer, visit };
}

test("a portal session that is not opened within five minutes expires, and its page links back to the app", async () => {
  const { emulator, visit } = await openPortal();
  await emulator.advance(5 * MINUTE + 1);
  const response = await visit();
  expect(response.status).toBe(410);
  expect(await response.text()).toContain("https://app.test/account");
});

test("a portal session stays open while its pages are used, and expires an hour after their last use", async () => {
  const { emulator, visit } = await openPortal();
  await emulator.advance(5 * MINUTE);
  expect((await visit()).status).toBe(200);
  await emulator.advance(60 * MINUTE);
  expect((await visit()).status).toBe(200);
  await emulator.advance(60 * MINUTE + 1);
  expect((await visit()).status).toBe(410);
});

test("an expired portal session changes nothing", async () => {
  const { stripe, emulator, customer, visit } = await openPortal();
  const [card] = (await stripe.customers.listPaymentMethods(customer.id)).data;
  await emulator.advance(6 * MINUTE);
  expect((await visit("POST", "/cancel")).status).toBe(410);
  expect((await stripe.paymentMethods.retrieve(card?.id ?? "")).customer).toBe(customer.id);
});

test("the use of a portal session survives a copy of the emulator", async () => {
  const { emulator, visit } = await openPortal();
  await visit();
  const snapshot = emulator.snapshot();
  await emulator.advance(61 * MINUTE);
  expect((await visit()).status).toBe(410);
  emulator.restore(snapshot);
  expect((await visit()).status).toBe(200);
});
