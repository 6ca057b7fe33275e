/** What the service tells of itself, and what it posts to the app. */
import { createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { InvalidRequestError } from "../../packages/tollkeeper/src/index.ts";
import { createWorld, DAY, type World } from "../support/world.ts";

const TOKEN = "a token of the tests";

async function metrics(world: World, token: string | null): Promise<{ status: number; text: string }> {
  const headers = new Headers(token === null ? {} : { authorization: `Bearer ${token}` });
  const response = await world.service.fetch(new Request("http://app.test/stripe/metrics", { headers }));
  return { status: response.status, text: await response.text() };
}

describe("metrics", () => {
  test("tell who has the token what was received, done, asked and waits", async () => {
    const world = await createWorld({ options: { metricsToken: TOKEN } });
    await world.subscribe("ada");
    const { status, text } = await metrics(world, TOKEN);
    expect(status).toBe(200);
    expect(text).toMatch(/^tollkeeper_webhooks_total\{outcome="accepted"\} \d+$/m);
    expect(text).toMatch(/^tollkeeper_events_total\{outcome="done"\} [1-9]\d*$/m);
    expect(text).toMatch(/^tollkeeper_stripe_requests_total\{urgency="background",result="2xx"\} [1-9]\d*$/m);
    expect(text).toMatch(/^tollkeeper_stripe_requests_total\{urgency="user",result="2xx"\} [1-9]\d*$/m);
    expect(text).toMatch(/^tollkeeper_inbox_rows\{state="pending"\} 0$/m);
    expect(text).toMatch(/^tollkeeper_event_lag_seconds_count [1-9]\d*$/m);
    expect(text).toMatch(/^tollkeeper_stripe_budget_per_second 10000$/m);
    // Each line is a comment or a name, labels and a number.
    const lines = text.trimEnd().split("\n");
    expect(
      lines.filter((line) => !/^(# (HELP|TYPE) tollkeeper_|tollkeeper_\w+(\{[^}]*\})? [\d.e+-]+$)/.test(line)),
    ).toEqual([]);
  });

  test("count what a reconcile found to differ, whoever asked for it, and what a dry run finds not", async () => {
    let isLost = false;
    const world = await createWorld({
      options: { metricsToken: TOKEN },
      deliver: async (request, next) => (isLost ? new Response(null, { status: 503 }) : next(request)),
    });
    await world.subscribe("ada");
    isLost = true;
    const [subscription] = (await world.stripe("GET", "/v1/subscriptions")).body["data"] as { id: string }[];
    await world.stripe("POST", `/v1/subscriptions/${subscription?.id}`, { cancel_at_period_end: "true" });
    const since = world.emulator.now() + 1_000;
    expect(await world.service.reconcile({ sweep: true, since, dryRun: true })).not.toMatchObject({ differences: 0 });
    expect((await metrics(world, TOKEN)).text).not.toMatch(/^tollkeeper_drift_total [1-9]/m);
    const report = await world.service.reconcile({ sweep: true, since });
    expect((await metrics(world, TOKEN)).text).toContain(`\ntollkeeper_drift_total ${report?.differences}\n`);
  });

  test("are for nobody without the token, and are not there where none is set", async () => {
    const world = await createWorld({ options: { metricsToken: TOKEN }, pushPlans: false });
    expect((await metrics(world, null)).status).toBe(401);
    expect((await metrics(world, "another token of it")).status).toBe(401);
    const closed = await createWorld({ pushPlans: false });
    expect((await metrics(closed, TOKEN)).status).toBe(404);
  });
});

test("whatever a hook throws it is told again, and after sixteen times it is with the dead letters", async () => {
  const told: string[] = [];
  const onPaymentSucceeded = ({ id }: { id: string }): void => {
    told.push(id);
    throw new InvalidRequestError("invalid_request", "The app has no seat left.");
  };
  const world = await createWorld({ options: { metricsToken: TOKEN, hooks: { onPaymentSucceeded } } });
  await world.subscribe("ada");
  expect(told).toHaveLength(1);
  for (let round = 0; round < 30; round += 1) await world.advance(600);
  expect(told).toHaveLength(16);
  const { text } = await metrics(world, TOKEN);
  expect(text).toMatch(/^tollkeeper_hooks_total\{outcome="retried"\} 15$/m);
  expect(text).toMatch(/^tollkeeper_hooks_total\{outcome="dead"\} 1$/m);
  expect(text).toMatch(/^tollkeeper_outbox_rows\{state="dead"\} 1$/m);
});

test("a payment is told of once, also when its subscription changes after its telling was forgotten", async () => {
  const told: string[] = [];
  const hooks = { onPaymentSucceeded: ({ id }: { id: string }) => void told.push(id) };
  const world = await createWorld({ options: { hooks } });
  const { body } = await world.call("ada", "POST", "create-checkout-session", { plan: "premium", interval: "year" });
  const confirm = `/v1/payment_pages/${String(body["sessionId"])}/confirm`;
  await world.stripe("POST", confirm, { payment_method: "pm_card_visa" });
  await world.settle();
  await world.advance(60 * DAY);
  await world.service.tidyUp();
  expect(told).toHaveLength(1);
  expect(await world.call("ada", "POST", "cancel-subscription")).toMatchObject({ status: 200 });
  await world.settle();
  expect(told).toHaveLength(1);
});

const ADA = { id: "ada", email: null, name: null };

test.each(["customer.updated", "customer.subscription.updated", "the user's own visit"])(
  "a payment that was known before its customer had a user is told of when %s tells of the user",
  async (type) => {
    const told: string[] = [];
    const hooks = { onPaymentSucceeded: ({ userId }: { userId: string }) => void told.push(userId) };
    let isPicky = false;
    const world = await createWorld({
      options: { hooks },
      deliver: async (request, next) => {
        const isLost = isPicky && !(await request.clone().text()).includes(`"type": "${type}"`);
        return isLost ? new Response(null, { status: 503 }) : next(request);
      },
    });
    const { body: prices } = await world.stripe("GET", "/v1/prices", { "lookup_keys[0]": "premium_month" });
    const [price] = prices["data"] as { id: string }[];
    const { body: customer } = await world.stripe("POST", "/v1/customers");
    const customerId = String(customer["id"]);
    await world.stripe("POST", "/v1/payment_methods/pm_card_visa/attach", { customer: customerId });
    const { body: subscription } = await world.stripe("POST", "/v1/subscriptions", {
      customer: customerId,
      "items[0][price]": price?.id ?? "",
      default_payment_method: await cardOf(world, customerId),
    });
    await world.settle();
    expect(told).toEqual([]);
    isPicky = true;
    await world.stripe("POST", `/v1/customers/${customerId}`, { "metadata[auth0_user_id]": "ada" });
    await world.stripe("POST", `/v1/subscriptions/${String(subscription["id"])}`, { "metadata[sold_by]": "phone" });
    if (type === "the user's own visit") await world.service.ensureCustomer(ADA);
    await world.settle();
    expect(told).toEqual(["ada"]);
  },
);

test("a user who gets another's customer's place is told of what that one has paid, and of the end of its trial", async () => {
  const told: string[] = [];
  const hooks = {
    onPaymentSucceeded: ({ invoiceId }: { invoiceId: string }) => void told.push(invoiceId),
    onTrialWillEnd: ({ subscriptionId }: { subscriptionId: string }) => void told.push(subscriptionId),
  };
  const world = await createWorld({ options: { hooks } });
  const { body: prices } = await world.stripe("GET", "/v1/prices", { "lookup_keys[0]": "premium_month" });
  const [price] = prices["data"] as { id: string }[];
  const { body: old } = await world.stripe("POST", "/v1/customers", { "metadata[auth0_user_id]": "ada" });
  await world.settle();
  const { body: next } = await world.stripe("POST", "/v1/customers", { "metadata[auth0_user_id]": "ada" });
  const customer = String(next["id"]);
  await world.stripe("POST", "/v1/payment_methods/pm_card_visa/attach", { customer });
  const card = await cardOf(world, customer);
  const sold = { customer, "items[0][price]": price?.id ?? "", default_payment_method: card };
  const { body: paid } = await world.stripe("POST", "/v1/subscriptions", sold);
  const { body: trial } = await world.stripe("POST", "/v1/subscriptions", { ...sold, trial_period_days: "2" });
  await world.settle();
  expect(told).toEqual([]);
  await world.stripe("DELETE", `/v1/customers/${String(old["id"])}`);
  await world.settle();
  expect(told).toContain(paid["latest_invoice"]);
  expect(told).toContain(trial["id"]);
});

async function cardOf(world: World, customerId: string): Promise<string> {
  const { body } = await world.stripe("GET", `/v1/customers/${customerId}/payment_methods`);
  return (body["data"] as { id: string }[])[0]?.id ?? "";
}

describe("hooks that are posted", () => {
  const SECRET = `whsec_${Buffer.from("twenty-four bytes of key").toString("base64")}`;

  async function posting(answer: (request: Request) => Promise<Response>) {
    const hooksFetch: typeof fetch = (input, init) => answer(new Request(input, init));
    return createWorld({ options: { hooksUrl: "http://app.test/hooks", hooksSecret: SECRET, hooksFetch } });
  }

  test("are signed as Standard Webhooks are, in order, each with its stable id", async () => {
    const posted: { headers: Headers; body: string }[] = [];
    const world = await posting(async (request) => {
      posted.push({ headers: request.headers, body: await request.text() });
      return new Response(null, { status: 204 });
    });
    await world.subscribe("ada");
    expect(posted.map(({ body }) => (JSON.parse(body) as { type: string }).type)).toEqual(
      expect.arrayContaining(["access.granted", "payment.succeeded"]),
    );
    for (const { headers, body } of posted) {
      const [id, timestamp] = [headers.get("webhook-id"), headers.get("webhook-timestamp")];
      const key = Buffer.from("twenty-four bytes of key");
      const signature = createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64");
      expect(headers.get("webhook-signature")).toBe(`v1,${signature}`);
      expect((JSON.parse(body) as { data: { id: string; userId: string } }).data).toMatchObject({ id, userId: "ada" });
    }
    expect(new Set(posted.map(({ headers }) => headers.get("webhook-id"))).size).toBe(posted.length);
  });

  test("come again with the same id until they are answered 2xx; a redirect is no answer", async () => {
    const ids: string[] = [];
    const answers = [500, 302, 200];
    const world = await posting(async (request) => {
      ids.push(request.headers.get("webhook-id") ?? "");
      return new Response(null, { status: answers.shift() ?? 200, headers: { location: "http://other.test" } });
    });
    await world.subscribe("ada");
    await world.advance(60);
    await world.advance(60);
    const [first] = ids;
    expect(ids.filter((id) => id === first)).toHaveLength(3);
    expect(ids.slice(0, 3)).toEqual([first, first, first]);
  });

  test("an address without a secret is refused at the start", async () => {
    await expect(createWorld({ options: { hooksUrl: "http://app.test/hooks" } })).rejects.toThrow("HOOKS_SECRET");
  });
});
