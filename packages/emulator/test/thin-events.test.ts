/** Tests thin events: their delivery, and the requests with which the SDK fetches the event and its object. */
import type Stripe from "stripe";
import { expect, test } from "vitest";
import { createSdk, refusal, subscriber } from "./support/sdk.ts";

const URL = "http://app.test/thin";
const SECRET = "whsec_local_secret";

/** Creates an SDK whose account has one endpoint for thin events, and collects the notifications that the endpoint receives. */
function thinEndpoint(enabledEvents?: readonly string[]) {
  const bodies: { body: string; signature: string }[] = [];
  const sdk = createSdk({
    webhooks: [{ url: URL, secret: SECRET, payload: "thin", enabledEvents }],
    async fetch(request) {
      bodies.push({ body: await request.text(), signature: request.headers.get("stripe-signature") ?? "" });
      return new Response();
    },
  });
  const received = async (): Promise<Stripe.V2.Core.EventNotification[]> => {
    await sdk.emulator.drain();
    return bodies.map(({ body, signature }) => sdk.stripe.parseEventNotification(body, signature, SECRET, Infinity));
  };
  return { ...sdk, received };
}

/** @see The doc comments of `EventBase` in the SDK's file V2/Core/Events.d.ts. */
test("the SDK fetches a thin event and the object that the thin event names", async () => {
  const { stripe, received } = thinEndpoint();
  const customer = await stripe.customers.create({ name: "Ada" }, { idempotencyKey: "create-ada" });
  const [notification] = await received();
  if (notification?.type !== "v1.customer.created") throw new Error("the endpoint must receive v1.customer.created");
  const event = await notification.fetchEvent();
  expect(event).toMatchObject({
    id: notification.id,
    object: "v2.core.event",
    type: "v1.customer.created",
    livemode: false,
    created: "2026-01-31T12:00:00.000Z",
    reason: { type: "request", request: { id: expect.stringMatching(/^req_/), idempotency_key: "create-ada" } },
    related_object: { id: customer.id, type: "customer", url: `/v1/customers/${customer.id}` },
  });
  await stripe.customers.update(customer.id, { name: "Ada Lovelace" });
  expect(await notification.fetchRelatedObject()).toMatchObject({ id: customer.id, name: "Ada Lovelace" });
  expect(await stripe.v2.core.events.retrieve(notification.id)).toMatchObject({ id: notification.id });
});

/** @see The doc comment of `snapshot_event` in the SDK's file V2/Core/Events.d.ts. */
test("a thin event has its own ID and names the snapshot event of the same change", async () => {
  const { stripe, received } = thinEndpoint();
  await stripe.customers.create();
  const [notification] = await received();
  const snapshot = await stripe.events.retrieve(notification?.snapshot_event ?? "");
  expect(snapshot).toMatchObject({ object: "event", type: "customer.created" });
  expect(notification?.id).toMatch(/^evt_test_/);
  expect(await refusal(stripe.events.retrieve(notification?.id ?? ""))).toMatchObject({ statusCode: 404 });
  expect(await refusal(stripe.v2.core.events.retrieve(snapshot.id))).toMatchObject({ statusCode: 404 });
});

/** @see The types of thin events in the SDK's file V2/Core/Events.d.ts. */
test("the related object of every thin event can be fetched, and an upcoming invoice is no object", async () => {
  const { emulator, stripe, received } = thinEndpoint();
  const { price, customer } = await subscriber(stripe);
  const meter = await stripe.billing.meters.create({
    display_name: "Calls",
    event_name: "calls",
    default_aggregation: { formula: "sum" },
  });
  await stripe.billing.meters.deactivate(meter.id);
  await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  await stripe.checkout.sessions.create({ mode: "setup", currency: "usd", success_url: "https://app.test/" });
  await emulator.advance(32 * 86_400);
  const notifications = await received();
  const types = new Set<string>(notifications.map(({ type }) => type));
  expect([...types]).toEqual(
    expect.arrayContaining(["v1.checkout.session.expired", "v1.billing.meter.created", "v1.invoice_payment.paid"]),
  );
  const all = notifications as { type: string; related_object?: { url: string } }[];
  const withoutObject = all.filter((event) => event.related_object === undefined);
  expect(new Set(withoutObject.map(({ type }) => type))).toEqual(new Set(["v1.invoice.upcoming"]));
  for (const { type, related_object: object } of all.filter((event) => !withoutObject.includes(event)))
    expect(await stripe.rawRequest("GET", object?.url ?? ""), type).toMatchObject({ object: expect.any(String) });
});

test("an endpoint for thin events receives the types that it names, and no type without a thin event", async () => {
  const { stripe, received } = thinEndpoint(["v1.product.created", "checkout.session.updated"]);
  await stripe.products.create({ name: "Premium" });
  await stripe.customers.create();
  expect((await received()).map(({ type }) => type)).toEqual(["v1.product.created"]);
});

test("operations of the v2 API that the emulator does not have get a 501 response", async () => {
  const { stripe } = createSdk();
  const calls = [
    () => stripe.v2.core.events.list(),
    () => stripe.v2.core.accounts.create({ display_name: "Ada" }),
    () => stripe.v2.core.eventDestinations.list(),
  ];
  for (const call of calls)
    expect(await refusal(call())).toMatchObject({
      statusCode: 501,
      message: expect.stringMatching(/does not implement (GET|POST) \/v2\/core\//),
    });
});
