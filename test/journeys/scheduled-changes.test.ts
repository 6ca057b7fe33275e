/** Tests cancellations and resumptions that need several requests to Stripe, with failures between the requests. */
import { describe, expect, test } from "vitest";
import { DIALECTS } from "../support/databases.ts";
import { createTestHarness, DAY, type TestHarness, type TestHarnessOptions } from "../support/harness.ts";
import { findSubscription, type StripeSubscription } from "../support/stripe-subscription.ts";

const periodEndOf = ({ items }: StripeSubscription): number => items.data[0]?.current_period_end ?? 0;
const cancel = (billing: TestHarness) => billing.call("ada", "POST", "cancel-subscription");
const resume = (billing: TestHarness) => billing.call("ada", "POST", "resume-subscription");

/** Starts a service whose user has the Team plan and, from the period's end on, the Premium plan by a schedule. */
async function withDowngrade(options: TestHarnessOptions = {}): Promise<TestHarness> {
  const billing = await createTestHarness(options);
  await billing.subscribe("ada", "team");
  const subscription = await findSubscription(billing);
  const { body } = await billing.stripe("POST", "/v1/subscription_schedules", { from_subscription: subscription.id });
  const [phase] = body["phases"] as { start_date: number; end_date: number; items: { price: string }[] }[];
  const prices = await billing.stripe("GET", "/v1/prices", { "lookup_keys[0]": "premium_month" });
  const [premium] = prices.body["data"] as { id: string }[];
  await billing.stripe("POST", `/v1/subscription_schedules/${String(body["id"])}`, {
    "phases[0][items][0][price]": phase?.items[0]?.price ?? "",
    "phases[0][start_date]": String(phase?.start_date),
    "phases[0][end_date]": String(phase?.end_date),
    "phases[1][items][0][price]": premium?.id ?? "",
  });
  await billing.drain();
  return billing;
}

describe.each(DIALECTS)(
  "a cancellation on %s while a schedule would change the plan at the period's end",
  (dialect) => {
    test("releases the schedule, keeps the plan until the period's end, and ends the subscription then", async () => {
      const billing = await withDowngrade({ dialect });
      const before = await findSubscription(billing);
      expect(before.schedule).toMatch(/^sub_sched_/);
      expect(await cancel(billing)).toMatchObject({ status: 200, body: { subscription: { cancelAtPeriodEnd: true } } });
      expect(await findSubscription(billing)).toMatchObject({ schedule: null, cancel_at: periodEndOf(before) });
      expect(await cancel(billing)).toMatchObject({ status: 200, body: { subscription: { plan: "team" } } });
      await billing.drain();
      expect(await billing.features("ada")).toContain("seats");
      await billing.advance(40 * DAY);
      expect(await findSubscription(billing)).toMatchObject({
        status: "canceled",
        items: { data: [{ price: { lookup_key: "team_month" } }] },
      });
      expect(await billing.features("ada")).toEqual([]);
    });

    test("is finished by the next request if the service lost both of Stripe's responses", async () => {
      const lost = ["/release", "/v1/subscriptions/"];
      const billing = await withDowngrade({
        dialect,
        network: async (request, next) => {
          const response = await next(request);
          const [path] = lost;
          if (request.method !== "POST" || path === undefined || !request.url.includes(path)) return response;
          lost.shift();
          throw new TypeError("fetch failed");
        },
        options: { stripeNetworkRetries: 0 },
      });
      expect((await cancel(billing)).status).toBe(503);
      expect(lost).toEqual([]);
      expect(await cancel(billing)).toMatchObject({ status: 200, body: { subscription: { cancelAtPeriodEnd: true } } });
    });

    test("is finished by maintenance if the process ended between the two requests to Stripe", async () => {
      let isDown = false;
      let isFirst = true;
      const billing = await withDowngrade({
        dialect,
        network: async (request, next) => {
          if (isDown) throw new TypeError("fetch failed");
          isDown = isFirst && request.url.endsWith("/release");
          return next(request);
        },
        options: { stripeNetworkRetries: 0 },
      });
      expect((await cancel(billing)).status).toBe(503);
      isDown = false;
      isFirst = false;
      expect(await findSubscription(billing)).toMatchObject({ schedule: null, cancel_at_period_end: false });
      await billing.advance(DAY);
      await billing.service.runMaintenance();
      expect(await findSubscription(billing)).toMatchObject({ schedule: null, cancel_at_period_end: true });
    });
  },
);

test("a cancellation succeeds if the merchant attaches a schedule while the request runs", async () => {
  let attach = async (): Promise<void> => {};
  const billing = await createTestHarness({
    network: async (request, next) => {
      if (request.method === "POST" && request.url.includes("/v1/subscriptions/")) {
        const first = attach;
        attach = async () => {};
        await first();
      }
      return next(request);
    },
  });
  await billing.subscribe("ada");
  const { id } = await findSubscription(billing);
  attach = async () => void (await billing.stripe("POST", "/v1/subscription_schedules", { from_subscription: id }));
  expect((await cancel(billing)).status).toBe(200);
  expect(await findSubscription(billing)).toMatchObject({ schedule: null, cancel_at_period_end: true });
});

test("a resumption after the cancellation of a scheduled change keeps the current plan and has no schedule", async () => {
  const billing = await withDowngrade();
  await cancel(billing);
  expect(await resume(billing)).toMatchObject({
    status: 200,
    body: { subscription: { cancelAt: null, plan: "team" } },
  });
  expect(await findSubscription(billing)).toMatchObject({ schedule: null, cancel_at: null });
});

test("an end that the merchant has set holds again after the user resumes, even if the service lost its record of the cancellation", async () => {
  const billing = await createTestHarness();
  await billing.subscribe("ada");
  const { id } = await findSubscription(billing);
  const end = Math.floor(billing.emulator.now() / 1000) + 100 * DAY;
  await billing.stripe("POST", `/v1/subscriptions/${id}`, { cancel_at: String(end) });
  await billing.drain();
  await cancel(billing);
  const restored = billing.addReplica({ databaseUrl: "file::memory:" });
  await restored.reconcile({ sweep: true });
  const response = await restored.fetch(
    new Request("http://app.test/stripe/resume-subscription", {
      method: "POST",
      headers: { authorization: "Bearer ada", "content-type": "application/json" },
      body: "{}",
    }),
  );
  expect(response.status).toBe(200);
  expect(await findSubscription(billing)).toMatchObject({ cancel_at: end });
});
