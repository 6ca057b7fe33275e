/** Tests cancellations and resumptions of subscriptions that the merchant changes at Stripe. */
import { describe, expect, test } from "vitest";
import type { TestBilling, TestUser } from "../../packages/tollkeeper/src/testing/index.ts";
import { DIALECTS, type DialectName } from "../support/databases.ts";
import { createKit, type KitOptions } from "../support/kit.ts";
import { PLANS } from "../support/plans.ts";
import { subscriptionOf } from "../support/stripe-subscription.ts";

const METRICS_TOKEN = "metrics-token-1234";
const DAY = 86_400;

interface Scene {
  billing: TestBilling;
  ada: TestUser;
  /** The id of Ada's subscription. */
  id: string;
}

/** Starts a service whose user Ada has the Premium plan. */
async function withPremium(options: KitOptions = {}): Promise<Scene> {
  const billing = await createKit(options);
  const ada = await billing.user("ada").subscribe("premium");
  return { billing, ada, id: (await subscriptionOf(billing, ada)).id };
}

async function metricsOf({ service }: TestBilling): Promise<string> {
  const headers = { authorization: `Bearer ${METRICS_TOKEN}` };
  return (await service.fetch(new Request("http://app.test/stripe/metrics", { headers }))).text();
}

const alarmsOf = ({ log }: TestBilling) => log.filter(({ fields }) => "alarm" in fields);
const resume = (user: TestUser) => user.call("POST", "resume-subscription");

describe("an end that the merchant has set months ahead", () => {
  async function withMerchantEnd(days = 100): Promise<Scene & { end: number }> {
    const scene = await withPremium();
    const end = Math.floor(scene.billing.now().getTime() / 1000) + days * DAY;
    await scene.billing.stripe.subscriptions.update(scene.id, { cancel_at: end });
    // The user's requests are processed before their webhooks arrive.
    await scene.billing.webhooks.hold();
    return { ...scene, end };
  }

  test("is replaced by the user's cancellation at the period's end, and holds again after the user resumes", async () => {
    const { billing, ada, end } = await withMerchantEnd();
    for (let times = 0; times < 2; times++) expect(await ada.cancel()).toMatchObject({ cancelAtPeriodEnd: true });
    const canceled = await subscriptionOf(billing, ada);
    expect(canceled.cancel_at).toBe(canceled.items.data[0]?.current_period_end);
    for (let times = 0; times < 2; times++) expect(await ada.resume()).toMatchObject({ cancelAt: end * 1000 });
    expect(await subscriptionOf(billing, ada)).toMatchObject({ cancel_at: end, cancel_at_period_end: false });
  });

  test.each([10, 100])("and that is %s days ahead is never removed by the user", async (days) => {
    const { billing, ada, end } = await withMerchantEnd(days);
    const day = new Date(end * 1000).toISOString().slice(0, 10);
    expect(await resume(ada)).toMatchObject({
      status: 409,
      body: {
        error: {
          code: "not_resumable",
          message: `Your subscription to Premium ends on ${day}. The seller has set this date, so only the seller can change it. Contact support.`,
          possible: [],
        },
      },
    });
    expect(await subscriptionOf(billing, ada)).toMatchObject({ cancel_at: end });
  });

  test("and that is before the period's end fulfils the user's cancellation", async () => {
    const { ada, end } = await withMerchantEnd(10);
    expect(await ada.cancel()).toMatchObject({ cancelAt: end * 1000 });
  });
});

describe.each(DIALECTS)("a subscription on %s whose payments the merchant has paused", (dialect) => {
  async function withPause(): Promise<Scene> {
    const scene = await withPremium({ dialect });
    // The user's requests are processed before the webhooks of the pause arrive.
    await scene.billing.webhooks.hold();
    await scene.billing.stripe.subscriptions.update(scene.id, { pause_collection: { behavior: "void" } });
    return scene;
  }

  test("can't be resumed by its user, and the error lists what is possible", async () => {
    const { billing, ada, id } = await withPause();
    expect(await resume(ada)).toMatchObject({
      status: 409,
      body: {
        error: {
          code: "not_resumable",
          message: expect.stringMatching(/^Your subscription to Premium has no scheduled cancellation\. /) as string,
          possible: [{ route: "cancel-subscription", subscriptionId: id, planName: "Premium" }],
        },
      },
    });
    expect(await subscriptionOf(billing, ada)).toMatchObject({ pause_collection: { behavior: "void" } });
  });

  test("can be canceled and resumed, and repeated requests return the same response", async () => {
    const { billing, ada, id } = await withPause();
    for (let times = 0; times < 2; times++) expect(await ada.cancel()).toMatchObject({ cancelAtPeriodEnd: true });
    for (let times = 0; times < 2; times++) expect(await ada.resume()).toMatchObject({ cancelAt: null });
    expect(await subscriptionOf(billing, ada)).toMatchObject({
      cancel_at: null,
      pause_collection: { behavior: "void" },
    });
    await billing.stripe.subscriptions.update(id, { pause_collection: "" });
    expect((await resume(ada)).status).toBe(200);
  });
});

test("a subscription whose payments are paused after the user has resumed it can't be resumed again", async () => {
  const { billing, ada, id } = await withPremium();
  await billing.webhooks.hold();
  await ada.cancel();
  await ada.resume();
  await billing.stripe.subscriptions.update(id, { pause_collection: { behavior: "keep_as_draft" } });
  expect((await resume(ada)).status).toBe(409);
});

/** At Stripe, a pause ends the current period. @see https://docs.stripe.com/billing/subscriptions/pause */
test("a subscription that is paused can't be resumed by the user, and is canceled immediately", async () => {
  const { billing, ada, id } = await withPremium();
  await billing.webhooks.hold();
  await billing.stripe.subscriptions.pause(id);
  expect(await resume(ada)).toMatchObject({
    status: 409,
    body: {
      error: {
        code: "not_resumable",
        message: expect.stringMatching(/^Your subscription to Premium is paused, /) as string,
        possible: [
          { route: "create-portal-session" },
          { route: "cancel-subscription", subscriptionId: id, planName: "Premium" },
        ],
      },
    },
  });
  expect(await ada.cancel()).toMatchObject({ status: "canceled", live: false });
  await billing.webhooks.release();
  expect(await subscriptionOf(billing, ada)).toMatchObject({ status: "canceled" });
});

test("a subscription that is paused beyond its period's end is canceled immediately, and a repeated request returns 200", async () => {
  const { billing, ada, id } = await withPremium();
  await billing.stripe.subscriptions.pause(id);
  await billing.advance({ days: 40 });
  await billing.webhooks.hold();
  for (let times = 0; times < 2; times++)
    expect(await ada.cancel({ subscriptionId: id })).toMatchObject({ status: "canceled", live: false });
});

describe.each(DIALECTS)("a user on %s with two live subscriptions of one plan group", (dialect) => {
  test("sees both, must choose one to cancel or resume, and none is canceled by itself", async () => {
    const { billing, ada, first, second } = await withTwo(dialect);
    expect(await ada.subscriptions()).toMatchObject([{ live: true }, { live: true }]);
    for (const route of ["cancel-subscription", "resume-subscription"]) {
      const refused = await ada.call("POST", route);
      expect(refused).toMatchObject({ status: 409, body: { error: { code: "ambiguous_subscription" } } });
      expect((refused.body["error"] as { possible: object[] }).possible).toEqual(
        expect.arrayContaining([
          { route, subscriptionId: first, planName: "Premium" },
          { route, subscriptionId: second, planName: "Team" },
        ]),
      );
    }
    await billing.advance({ days: 1 });
    const { data } = await billing.stripe.subscriptions.list();
    expect(data).toMatchObject([{ cancel_at: null }, { cancel_at: null }]);
    expect(await ada.cancel({ subscriptionId: second })).toMatchObject({ id: second, cancelAtPeriodEnd: true });
  });

  test("raises an alarm in the log and in the metrics", async () => {
    const { billing, first, second } = await withTwo(dialect);
    const [alarm] = alarmsOf(billing);
    expect(alarm).toMatchObject({ level: "error", fields: { alarm: "two_subscriptions", group: "default" } });
    expect(alarm?.fields).toMatchObject({ subscriptionIds: expect.arrayContaining([first, second]) });
    const metrics = await metricsOf(billing);
    expect(metrics).toMatch(/alarms_total\{kind="two_subscriptions"\} [1-9]/);
    expect(metrics).toContain('customers_with_alarms{kind="two_subscriptions"} 1');
  });
});

/** Sells a second plan to Ada in the dashboard. */
async function withTwo(dialect: DialectName) {
  const { billing, ada, id: first } = await withPremium({ dialect, metricsToken: METRICS_TOKEN });
  const { stripe } = billing;
  const { customer } = await subscriptionOf(billing, ada);
  const [team] = (await stripe.prices.list({ lookup_keys: ["team_month"] })).data;
  const { id: card } = await stripe.paymentMethods.attach("pm_card_visa", { customer });
  const { id: second } = await stripe.subscriptions.create({
    customer,
    default_payment_method: card,
    items: [{ price: team?.id ?? "" }],
  });
  return { billing, ada, first, second };
}

test("a user with subscriptions in two plan groups causes no alarm", async () => {
  const plans = PLANS.map((plan) => (plan.id === "team" ? { ...plan, group: "teams" } : plan));
  const { billing, ada } = await withPremium({ plans, metricsToken: METRICS_TOKEN });
  await ada.subscribe("team");
  expect(alarmsOf(billing)).toEqual([]);
  expect(await metricsOf(billing)).toContain('customers_with_alarms{kind="two_subscriptions"} 0');
});
