/** Tests the service's metrics and its hooks to the app. */
import { createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { InvalidRequestError } from "../../packages/tollkeeper/src/index.ts";
import { createTestHarness, DAY, type TestHarness } from "../support/harness.ts";
import type { PaymentHook } from "../../packages/tollkeeper/src/index.ts";
import { findSubscription } from "../support/stripe-subscription.ts";

const TOKEN = "a token of the tests";

async function metrics(billing: TestHarness, token: string | null): Promise<{ status: number; text: string }> {
  const headers = new Headers(token === null ? {} : { authorization: `Bearer ${token}` });
  const response = await billing.service.fetch(new Request("http://app.test/stripe/metrics", { headers }));
  return { status: response.status, text: await response.text() };
}

describe("metrics", () => {
  test("show counts of received, processed and pending events to requests with METRICS_TOKEN", async () => {
    const billing = await createTestHarness({ options: { metricsToken: TOKEN } });
    await billing.subscribe("ada");
    const { status, text } = await metrics(billing, TOKEN);
    expect(status).toBe(200);
    expect(text).toMatch(/^tollkeeper_webhooks_total\{outcome="accepted"\} \d+$/m);
    expect(text).toMatch(/^tollkeeper_events_total\{outcome="done"\} [1-9]\d*$/m);
    expect(text).toMatch(/^tollkeeper_stripe_requests_total\{urgency="background",result="2xx"\} [1-9]\d*$/m);
    expect(text).toMatch(/^tollkeeper_stripe_requests_total\{urgency="user",result="2xx"\} [1-9]\d*$/m);
    expect(text).toMatch(/^tollkeeper_inbox_rows\{state="pending"\} 0$/m);
    expect(text).toMatch(/^tollkeeper_event_lag_seconds_count [1-9]\d*$/m);
    expect(text).toMatch(/^tollkeeper_stripe_budget_per_second 10000$/m);
    // Each line of the metrics is either a comment, or a metric's name with labels and a number.
    const lines = text.trimEnd().split("\n");
    expect(
      lines.filter((line) => !/^(# (HELP|TYPE) tollkeeper_|tollkeeper_\w+(\{[^}]*\})? [\d.e+-]+$)/.test(line)),
    ).toEqual([]);
  });

  test("count the differences of every reconcile, except dry runs", async () => {
    let isLost = false;
    const billing = await createTestHarness({
      options: { metricsToken: TOKEN },
      deliver: async (request, next) => (isLost ? new Response(null, { status: 503 }) : next(request)),
    });
    await billing.subscribe("ada");
    isLost = true;
    const { id } = await findSubscription(billing);
    await billing.stripe("POST", `/v1/subscriptions/${id}`, { cancel_at_period_end: "true" });
    const since = billing.emulator.now() + 1_000;
    expect(await billing.service.reconcile({ sweep: true, since, dryRun: true })).not.toMatchObject({ differences: 0 });
    expect((await metrics(billing, TOKEN)).text).not.toMatch(/^tollkeeper_drift_total [1-9]/m);
    const report = await billing.service.reconcile({ sweep: true, since });
    expect((await metrics(billing, TOKEN)).text).toContain(`\ntollkeeper_drift_total ${report?.differences}\n`);
  });

  test("require METRICS_TOKEN in the request, and return 404 if the variable METRICS_TOKEN is not set", async () => {
    const billing = await createTestHarness({ options: { metricsToken: TOKEN }, pushPlans: false });
    expect((await metrics(billing, null)).status).toBe(401);
    expect((await metrics(billing, "another token of it")).status).toBe(401);
    const closed = await createTestHarness({ pushPlans: false });
    expect((await metrics(closed, TOKEN)).status).toBe(404);
  });
});

test("a hook that throws any value is retried, and becomes a dead letter after sixteen attempts", async () => {
  const calls: string[] = [];
  const onPaymentSucceeded = ({ id }: { id: string }): void => {
    calls.push(id);
    throw new InvalidRequestError("invalid_request", "The app has no seat left.");
  };
  const billing = await createTestHarness({ options: { metricsToken: TOKEN, hooks: { onPaymentSucceeded } } });
  await billing.subscribe("ada");
  expect(calls).toHaveLength(1);
  for (let round = 0; round < 30; round += 1) await billing.advance(600);
  expect(calls).toHaveLength(16);
  const { text } = await metrics(billing, TOKEN);
  expect(text).toMatch(/^tollkeeper_hooks_total\{outcome="retried"\} 15$/m);
  expect(text).toMatch(/^tollkeeper_hooks_total\{outcome="dead"\} 1$/m);
  expect(text).toMatch(/^tollkeeper_outbox_rows\{state="dead"\} 1$/m);
});

test("a payment is reported once, even if its subscription changes after the hook was pruned", async () => {
  const calls: string[] = [];
  const hooks = { onPaymentSucceeded: ({ id }: { id: string }) => void calls.push(id) };
  const billing = await createTestHarness({ options: { hooks } });
  const { body } = await billing.call("ada", "POST", "create-checkout-session", { plan: "premium", interval: "year" });
  const confirm = `/v1/payment_pages/${String(body["sessionId"])}/confirm`;
  await billing.stripe("POST", confirm, { payment_method: "pm_card_visa" });
  await billing.drain();
  await billing.advance(60 * DAY);
  await billing.service.runMaintenance();
  expect(calls).toHaveLength(1);
  expect(await billing.call("ada", "POST", "cancel-subscription")).toMatchObject({ status: 200 });
  await billing.drain();
  expect(calls).toHaveLength(1);
});

const ADA = { id: "ada", email: null, name: null };

test.each(["customer.updated", "customer.subscription.updated", "the user's own request"])(
  "a payment of a customer without a user is reported as soon as %s names the user",
  async (type) => {
    const calls: string[] = [];
    const hooks = { onPaymentSucceeded: ({ owner }: PaymentHook) => void calls.push(owner.id) };
    let isPicky = false;
    const billing = await createTestHarness({
      options: { hooks },
      deliver: async (request, next) => {
        const isLost = isPicky && !(await request.clone().text()).includes(`"type": "${type}"`);
        return isLost ? new Response(null, { status: 503 }) : next(request);
      },
    });
    const { body: prices } = await billing.stripe("GET", "/v1/prices", { "lookup_keys[0]": "premium_month" });
    const [price] = prices["data"] as { id: string }[];
    const { body: customer } = await billing.stripe("POST", "/v1/customers");
    const customerId = String(customer["id"]);
    await billing.stripe("POST", "/v1/payment_methods/pm_card_visa/attach", { customer: customerId });
    const { body: subscription } = await billing.stripe("POST", "/v1/subscriptions", {
      customer: customerId,
      "items[0][price]": price?.id ?? "",
      default_payment_method: await cardOf(billing, customerId),
    });
    await billing.drain();
    expect(calls).toEqual([]);
    isPicky = true;
    await billing.stripe("POST", `/v1/customers/${customerId}`, { "metadata[auth0_user_id]": "ada" });
    await billing.stripe("POST", `/v1/subscriptions/${String(subscription["id"])}`, { "metadata[sold_by]": "phone" });
    if (type === "the user's own request") await billing.service.ensureCustomer(ADA);
    await billing.drain();
    expect(calls).toEqual(["ada"]);
  },
);

test("linking a user to an existing customer runs the hooks for the customer's payment and trial end", async () => {
  const calls: string[] = [];
  const hooks = {
    onPaymentSucceeded: ({ invoiceId }: { invoiceId: string }) => void calls.push(invoiceId),
    onTrialWillEnd: ({ subscriptionId }: { subscriptionId: string }) => void calls.push(subscriptionId),
  };
  const billing = await createTestHarness({ options: { hooks } });
  const { body: prices } = await billing.stripe("GET", "/v1/prices", { "lookup_keys[0]": "premium_month" });
  const [price] = prices["data"] as { id: string }[];
  const { body: created } = await billing.stripe("POST", "/v1/customers");
  const customer = String(created["id"]);
  await billing.stripe("POST", "/v1/payment_methods/pm_card_visa/attach", { customer });
  const card = await cardOf(billing, customer);
  const sold = { customer, "items[0][price]": price?.id ?? "", default_payment_method: card };
  const { body: paid } = await billing.stripe("POST", "/v1/subscriptions", sold);
  const { body: trial } = await billing.stripe("POST", "/v1/subscriptions", { ...sold, trial_period_days: "2" });
  await billing.drain();
  expect(calls).toEqual([]);
  await billing.stripe("POST", `/v1/customers/${customer}`, { "metadata[auth0_user_id]": "ada" });
  await billing.drain();
  expect(calls).toContain(paid["latest_invoice"]);
  expect(calls).toContain(trial["id"]);
});

async function cardOf(billing: TestHarness, customerId: string): Promise<string> {
  const { body } = await billing.stripe("GET", `/v1/customers/${customerId}/payment_methods`);
  return (body["data"] as { id: string }[])[0]?.id ?? "";
}

describe("posted hooks", () => {
  const SECRET = `whsec_${Buffer.from("twenty-four bytes of key").toString("base64")}`;

  async function posting(respond: (request: Request) => Promise<Response>) {
    const hooksFetch: typeof fetch = (input, init) => respond(new Request(input, init));
    return createTestHarness({ options: { hooksUrl: "http://app.test/hooks", hooksSecret: SECRET, hooksFetch } });
  }

  test("are sent in order, with a stable id and a signature as in Standard Webhooks", async () => {
    const posted: { headers: Headers; body: string }[] = [];
    const billing = await posting(async (request) => {
      posted.push({ headers: request.headers, body: await request.text() });
      return new Response(null, { status: 204 });
    });
    await billing.subscribe("ada");
    expect(posted.map(({ body }) => (JSON.parse(body) as { type: string }).type)).toEqual(
      expect.arrayContaining(["access.granted", "payment.succeeded"]),
    );
    for (const { headers, body } of posted) {
      const [id, timestamp] = [headers.get("webhook-id"), headers.get("webhook-timestamp")];
      const key = Buffer.from("twenty-four bytes of key");
      const signature = createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64");
      expect(headers.get("webhook-signature")).toBe(`v1,${signature}`);
      expect((JSON.parse(body) as { data: { id: string; owner: object } }).data).toMatchObject({
        id,
        owner: { kind: "user", id: "ada" },
      });
    }
    expect(new Set(posted.map(({ headers }) => headers.get("webhook-id"))).size).toBe(posted.length);
  });

  test("are retried with the same id until the status is 2xx, even after a redirect", async () => {
    const ids: string[] = [];
    const statuses = [500, 302, 200];
    const billing = await posting(async (request) => {
      ids.push(request.headers.get("webhook-id") ?? "");
      return new Response(null, { status: statuses.shift() ?? 200, headers: { location: "http://other.test" } });
    });
    await billing.subscribe("ada");
    await billing.advance(60);
    await billing.advance(60);
    const [first] = ids;
    expect(ids.filter((id) => id === first)).toHaveLength(3);
    expect(ids.slice(0, 3)).toEqual([first, first, first]);
  });

  test("that fail are logged with the cause, without the secrets and personal data of the app's error", async () => {
    const billing = await posting(async () => {
      throw new TypeError("fetch failed", { cause: new Error("connect ECONNREFUSED to mail of ada@example.com") });
    });
    await billing.subscribe("ada");
    const failed = billing.log.filter(({ message }) => message === "job failed; retrying");
    expect(failed.map(({ fields }) => fields)).toContainEqual(
      expect.objectContaining({ reason: "fetch failed: connect ECONNREFUSED to mail of (email)" }),
    );
  });

  test("need a secret, so the service does not start without HOOKS_SECRET", async () => {
    await expect(createTestHarness({ options: { hooksUrl: "http://app.test/hooks" } })).rejects.toThrow("HOOKS_SECRET");
  });
});
