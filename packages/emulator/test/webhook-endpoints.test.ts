/** Tests webhook endpoints: the version of their events, and the deliveries to a disabled endpoint. */
import type Stripe from "stripe";
import { expect, test } from "vitest";
import { createSdk, refusal } from "./support/sdk.ts";

const VERSION = "2026-10-28.endive";
function withReceiver() {
  const received: Stripe.Event[] = [];
  const receiver = { status: 200 };
  const sdk = createSdk({
    async fetch(request) {
      received.push((await request.json()) as Stripe.Event);
      return new Response(null, { status: receiver.status });
    },
  });
  const create = (more: Partial<Stripe.WebhookEndpointCreateParams> = {}) =>
    sdk.stripe.webhookEndpoints.create({ url: "https://app.test/webhook", enabled_events: ["*"], ...more });
  return { ...sdk, received, receiver, create };
}

/** @see The doc comment of `api_version` in the SDK's file WebhookEndpoints.d.ts. */
test("a webhook endpoint with another API version is refused, because its events would have the wrong format", async () => {
  const { stripe, create } = withReceiver();
  expect(await refusal(create({ api_version: "2024-06-20" }))).toMatchObject({
    statusCode: 501,
    param: "api_version",
    message: expect.stringContaining(VERSION),
  });
  expect((await stripe.webhookEndpoints.list()).data).toEqual([]);
});

test("a delivered event names the API version in which its object is rendered", async () => {
  const { stripe, emulator, received, create } = withReceiver();
  expect(await create({ api_version: VERSION })).toMatchObject({ api_version: VERSION });
  await stripe.customers.create();
  await emulator.drain();
  expect(received).toMatchObject([{ type: "customer.created", api_version: VERSION }]);
});

/** @see The doc comment of `connect` in the SDK's file WebhookEndpoints.d.ts. */
test("a webhook endpoint for the events of connected accounts is refused", async () => {
  const { create } = withReceiver();
  expect(await refusal(create({ connect: true }))).toMatchObject({ statusCode: 501, param: "connect" });
  expect(await create({ connect: false })).toMatchObject({ status: "enabled" });
});

/** @see https://docs.stripe.com/webhooks#retry-behavior */
test("an endpoint that is disabled before a retry receives no further attempt of the event", async () => {
  const { stripe, emulator, received, receiver, create } = withReceiver();
  const { id } = await create({ enabled_events: ["customer.created"] });
  receiver.status = 500;
  await stripe.customers.create();
  await emulator.drain();
  await stripe.webhookEndpoints.update(id, { disabled: true });
  await emulator.advance(3_600);
  await stripe.webhookEndpoints.update(id, { disabled: false });
  await emulator.advance(7 * 86_400);
  expect(received).toHaveLength(1);
  expect(emulator.deliveries()).toMatchObject([{ state: "failed" }]);
  expect((await stripe.events.list({ delivery_success: false })).data).toHaveLength(1);
});

/** @see https://docs.stripe.com/webhooks#retry-behavior */
test("an endpoint that is disabled and enabled again before a retry receives the retry", async () => {
  const { stripe, emulator, received, receiver, create } = withReceiver();
  const { id } = await create({ enabled_events: ["customer.created"] });
  receiver.status = 500;
  await stripe.customers.create();
  await emulator.drain();
  await stripe.webhookEndpoints.update(id, { disabled: true });
  await stripe.webhookEndpoints.update(id, { disabled: false });
  receiver.status = 200;
  await emulator.advance(3_600);
  expect(received).toHaveLength(2);
  expect((await stripe.events.list({ delivery_success: true, type: "customer.created" })).data).toHaveLength(1);
});
