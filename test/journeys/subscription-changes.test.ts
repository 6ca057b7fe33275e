import { describe, expect, test } from "vitest";
import { DIALECTS } from "../support/databases.ts";
import { createTestBilling, DAY, type TestBilling, type TestBillingOptions } from "../support/billing.ts";
import { PLANS } from "../support/plans.ts";
import { findSubscription, type StripeSubscription } from "../support/stripe-subscription.ts";

const METRICS_TOKEN = "metrics-token-1234";

const periodEndOf = ({ items }: StripeSubscription): number => items.data[0]?.current_period_end ?? 0;
const change = (billing: TestBilling, fields: Record<string, string>, id: string) =>
  billing.stripe("POST", `/v1/subscriptions/${id}`, fields);
const cancel = (billing: TestBilling) => billing.call("ada", "POST", "cancel-subscription");
const resume = (billing: TestBilling) => billing.call("ada", "POST", "resume-subscription");
const dayOf = (seconds: number): string => new Date(seconds * 1000).toISOString().slice(0, 10);

/** Starts a service whose user has the Team plan and, from the period's end on, the Premium plan by a schedule. */
async function withDowngrade(options: TestBillingOptions = {}): Promise<TestBilling> {
  const billing = await createTestBilling(options);
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
  const billing = await createTestBilling({
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

describe("an end that the merchant has set months ahead", () => {
  async function withMerchantEnd(days = 100): Promise<{ billing: TestBilling; id: string; end: number }> {
    const billing = await createTestBilling();
    await billing.subscribe("ada");
    const { id } = await findSubscription(billing);
    const end = Math.floor(billing.emulator.now() / 1000) + days * DAY;
    await change(billing, { cancel_at: String(end) }, id);
    await billing.drain();
    return { billing, id, end };
  }

  test("is replaced by the user's cancellation at the period's end, and holds again after the user resumes", async () => {
    const { billing, end } = await withMerchantEnd();
    for (let times = 0; times < 2; times++)
      expect(await cancel(billing)).toMatchObject({ status: 200, body: { subscription: { cancelAtPeriodEnd: true } } });
    const canceled = await findSubscription(billing);
    expect(canceled.cancel_at).toBe(periodEndOf(canceled));
    for (let times = 0; times < 2; times++)
      expect(await resume(billing)).toMatchObject({ status: 200, body: { subscription: { cancelAt: end * 1000 } } });
    expect(await findSubscription(billing)).toMatchObject({ cancel_at: end, cancel_at_period_end: false });
  });

  test("holds again after the user resumes, even if the service has lost its record of the cancellation", async () => {
    const { billing, end } = await withMerchantEnd();
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

  test.each([10, 100])("and that is %s days ahead is never removed by the user", async (days) => {
    const { billing, end } = await withMerchantEnd(days);
    expect(await resume(billing)).toMatchObject({
      status: 409,
      body: {
        error: {
          code: "not_resumable",
          message: `Your subscription to Premium ends on ${dayOf(end)}. The seller has set this date, so only the seller can change it. Contact support.`,
          possible: [],
        },
      },
    });
    expect(await findSubscription(billing)).toMatchObject({ cancel_at: end });
  });

  test("and that is before the period's end fulfils the user's cancellation", async () => {
    const { billing, end } = await withMerchantEnd(10);
    expect(await cancel(billing)).toMatchObject({ status: 200, body: { subscription: { cancelAt: end * 1000 } } });
  });
});

describe.each(DIALECTS)("a subscription on %s whose payments the merchant has paused", (dialect) => {
  async function withPause(): Promise<{ billing: TestBilling; id: string }> {
    const billing = await createTestBilling({ dialect });
    await billing.subscribe("ada");
    const { id } = await findSubscription(billing);
    await change(billing, { "pause_collection[behavior]": "void" }, id);
    return { billing, id };
  }

  test("can't be resumed by its user, and the error lists what is possible", async () => {
    const { billing, id } = await withPause();
    expect(await resume(billing)).toMatchObject({
      status: 409,
      body: {
        error: {
          code: "not_resumable",
          message: expect.stringMatching(/^Your subscription to Premium has no scheduled cancellation\. /) as string,
          possible: [{ route: "cancel-subscription", subscriptionId: id, planName: "Premium" }],
        },
      },
    });
    expect(await findSubscription(billing)).toMatchObject({ pause_collection: { behavior: "void" } });
  });

  test("can be canceled and resumed, and repeated requests return the same response", async () => {
    const { billing, id } = await withPause();
    for (let times = 0; times < 2; times++)
      expect(await cancel(billing)).toMatchObject({ status: 200, body: { subscription: { cancelAtPeriodEnd: true } } });
    for (let times = 0; times < 2; times++)
      expect(await resume(billing)).toMatchObject({ status: 200, body: { subscription: { cancelAt: null } } });
    expect(await findSubscription(billing)).toMatchObject({ cancel_at: null, pause_collection: { behavior: "void" } });
    await change(billing, { pause_collection: "" }, id);
    expect((await resume(billing)).status).toBe(200);
  });
});

test("a subscription whose payments are paused after the user has resumed it can't be resumed again", async () => {
  const billing = await createTestBilling();
  await billing.subscribe("ada");
  await cancel(billing);
  expect((await resume(billing)).status).toBe(200);
  const { id } = await findSubscription(billing);
  await change(billing, { "pause_collection[behavior]": "keep_as_draft" }, id);
  expect((await resume(billing)).status).toBe(409);
});

test("a subscription that is paused is canceled at its period's end, and the user can revert this cancellation", async () => {
  const billing = await createTestBilling();
  await billing.subscribe("ada");
  const before = await findSubscription(billing);
  await billing.stripe("POST", `/v1/subscriptions/${before.id}/pause`);
  expect(await resume(billing)).toMatchObject({
    status: 409,
    body: {
      error: {
        code: "not_resumable",
        message: expect.stringMatching(/^Your subscription to Premium is paused, /) as string,
        possible: [
          { route: "create-portal-session" },
          { route: "cancel-subscription", subscriptionId: before.id, planName: "Premium" },
        ],
      },
    },
  });
  expect(await cancel(billing)).toMatchObject({
    status: 200,
    body: { subscription: { cancelAt: periodEndOf(before) * 1000 } },
  });
  for (let times = 0; times < 2; times++) expect((await resume(billing)).status).toBe(200);
  expect((await cancel(billing)).status).toBe(200);
  await billing.advance(40 * DAY);
  expect(await findSubscription(billing)).toMatchObject({ status: "canceled" });
});

test("a subscription that is paused beyond its period's end is canceled immediately, and a repeated request returns 200", async () => {
  const billing = await createTestBilling();
  await billing.subscribe("ada");
  const { id } = await findSubscription(billing);
  await billing.stripe("POST", `/v1/subscriptions/${id}/pause`);
  await billing.advance(40 * DAY);
  for (let times = 0; times < 2; times++)
    expect(await billing.call("ada", "POST", "cancel-subscription", { subscriptionId: id })).toMatchObject({
      status: 200,
      body: { subscription: { status: "canceled", live: false } },
    });
});

describe.each(DIALECTS)("a user on %s with two live subscriptions of one plan group", (dialect) => {
  async function withTwo(): Promise<{ billing: TestBilling; first: string; second: string }> {
    const billing = await createTestBilling({ dialect, options: { metricsToken: METRICS_TOKEN } });
    await billing.subscribe("ada");
    const { id: first, customer } = await findSubscription(billing);
    const prices = await billing.stripe("GET", "/v1/prices", { "lookup_keys[0]": "team_month" });
    const [team] = prices.body["data"] as { id: string }[];
    const card = await billing.stripe("POST", "/v1/payment_methods/pm_card_visa/attach", { customer });
    const { body } = await billing.stripe("POST", "/v1/subscriptions", {
      customer,
      default_payment_method: String(card.body["id"]),
      "items[0][price]": team?.id ?? "",
    });
    await billing.drain();
    return { billing, first, second: String(body["id"]) };
  }

  test("sees both, must choose one to cancel or resume, and none is canceled by itself", async () => {
    const { billing, first, second } = await withTwo();
    const { body } = await billing.call("ada", "GET", "subscriptions");
    expect(body["subscriptions"]).toMatchObject([{ live: true }, { live: true }]);
    for (const route of ["cancel-subscription", "resume-subscription"]) {
      const refused = await billing.call("ada", "POST", route);
      expect(refused).toMatchObject({ status: 409, body: { error: { code: "ambiguous_subscription" } } });
      expect((refused.body["error"] as { possible: object[] }).possible).toEqual(
        expect.arrayContaining([
          { route, subscriptionId: first, planName: "Premium" },
          { route, subscriptionId: second, planName: "Team" },
        ]),
      );
    }
    await billing.advance(DAY);
    const list = await billing.stripe("GET", "/v1/subscriptions");
    expect(list.body["data"]).toMatchObject([{ cancel_at: null }, { cancel_at: null }]);
    const canceled = await billing.call("ada", "POST", "cancel-subscription", { subscriptionId: second });
    expect(canceled).toMatchObject({ status: 200, body: { subscription: { id: second, cancelAtPeriodEnd: true } } });
  });

  test("raises an alarm in the log and in the metrics", async () => {
    const { billing, first, second } = await withTwo();
    const alarm = billing.log.find(({ fields }) => "alarm" in fields);
    expect(alarm).toMatchObject({ level: "error", fields: { alarm: "two_subscriptions", group: "default" } });
    expect(alarm?.fields).toMatchObject({ subscriptionIds: expect.arrayContaining([first, second]) });
    const response = await billing.service.fetch(
      new Request("http://app.test/stripe/metrics", { headers: { authorization: `Bearer ${METRICS_TOKEN}` } }),
    );
    const metrics = await response.text();
    expect(metrics).toMatch(/alarms_total\{kind="two_subscriptions"\} [1-9]/);
    expect(metrics).toContain('customers_with_alarms{kind="two_subscriptions"} 1');
  });
});

test("a user with subscriptions in two plan groups causes no alarm", async () => {
  const plans = PLANS.map((plan) => (plan.id === "team" ? { ...plan, group: "teams" } : plan));
  const billing = await createTestBilling({ options: { plans, metricsToken: METRICS_TOKEN } });
  await billing.subscribe("ada");
  await billing.subscribe("ada", "team");
  expect(billing.log.filter(({ fields }) => "alarm" in fields)).toEqual([]);
  const response = await billing.service.fetch(
    new Request("http://app.test/stripe/metrics", { headers: { authorization: `Bearer ${METRICS_TOKEN}` } }),
  );
  expect(await response.text()).toContain('customers_with_alarms{kind="two_subscriptions"} 0');
});
