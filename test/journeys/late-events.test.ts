/** Tests events that Stripe lists late, and events that arrive without the other events of the same change. */
import { expect, test } from "vitest";
import { createTestHarness } from "../support/harness.ts";
import { findSubscription } from "../support/stripe-subscription.ts";

const HALF_AN_HOUR = 1_800;

interface EventList {
  data: { type: string }[];
}

test("reconcile imports an old event that was missing from Stripe's list during the previous reconcile", async () => {
  let isHidden = false;
  const billing = await createTestHarness({
    // Stripe delivers no webhook for the test's event, and at first does not list the event.
    deliver: (request, next) => (isHidden ? Promise.reject(new TypeError("fetch failed")) : next(request)),
    network: async (request, next) => {
      const response = await next(request);
      if (!isHidden || !new URL(request.url).pathname.endsWith("/events")) return response;
      const list = (await response.json()) as EventList;
      return Response.json({ ...list, data: list.data.filter(({ type }) => type !== "customer.subscription.updated") });
    },
  });
  await billing.subscribe("ada");
  await billing.service.reconcile();
  isHidden = true;
  const { id } = await findSubscription(billing);
  await billing.stripe("POST", `/v1/subscriptions/${id}`, { cancel_at_period_end: "true" });
  await billing.emulator.advance(HALF_AN_HOUR);
  expect(await billing.service.reconcile({ sweep: false })).toMatchObject({ events: { missed: 0 } });
  isHidden = false;
  await billing.emulator.advance(1);
  expect(await billing.service.reconcile({ sweep: false })).toMatchObject({ events: { missed: 1 } });
});

test("the event customer.subscription.resumed restores the access from a paused subscription, without any other event", async () => {
  let onlyType: string | null = null;
  const billing = await createTestHarness({
    deliver: async (request, next) => {
      const { type } = (await request.clone().json()) as { type: string };
      return onlyType === null || type === onlyType ? next(request) : new Response(null, { status: 200 });
    },
  });
  await billing.subscribe("ada");
  const { id } = await findSubscription(billing);
  await billing.stripe("POST", `/v1/subscriptions/${id}/pause`);
  await billing.drain();
  expect(await billing.features("ada")).toEqual([]);
  onlyType = "customer.subscription.resumed";
  await billing.stripe("POST", `/v1/subscriptions/${id}/resume`);
  await billing.drain();
  expect(await billing.features("ada")).toEqual(["exports", "priority_support"]);
});
