import { describe, expect, onTestFinished, test } from "vitest";
import { planChanges, pushPlans } from "../../packages/tollkeeper/src/actions/push-plans.ts";
import { withApp } from "../../packages/tollkeeper/src/domain/plans.ts";
import { definePlans, type Plans, type Tollkeeper } from "../../packages/tollkeeper/src/index.ts";
import {
  createServiceClient,
  payCheckout,
  type ServiceClient,
} from "../../packages/tollkeeper/src/testing/harness/index.ts";
import { createTestHarness, type TestHarness } from "../support/harness.ts";
import { DIALECTS, freshDatabase, type DialectName } from "../support/databases.ts";

const planOf = (name: string, amount: number, feature: string): Plans =>
  definePlans([{ id: "premium", name, features: [feature], prices: [{ interval: "month", amount, currency: "usd" }] }]);
const SHOP_PLANS = planOf("Shop Premium", 500, "discounts");
const BLOG_PLANS = planOf("Blog Premium", 9_900, "articles");

interface Apps {
  billing: TestHarness;
  shop: ServiceClient;
  blog: ServiceClient;
  blogService: Tollkeeper;
}

/** Starts two services with different apps on one Stripe account. Both apps have a plan "premium". */
async function startApps(dialect: DialectName): Promise<Apps> {
  const databaseUrl = await freshDatabase(dialect);
  const billing = await createTestHarness({ dialect, options: { plans: SHOP_PLANS, app: "shop" } });
  const blogService = billing.addReplica({ plans: BLOG_PLANS, app: "blog", databaseUrl });
  onTestFinished(() => blogService.stop());
  await push(billing, withApp(BLOG_PLANS, "blog"));
  return { billing, shop: billing.call, blog: createServiceClient({ fetch: blogService.fetch }), blogService };
}

async function push(billing: TestHarness, plans: Plans): Promise<void> {
  let count = 0;
  const changes = await planChanges(billing.gateway, plans);
  const { now } = billing.emulator;
  await pushPlans(billing.gateway, changes, { newId: () => `${String(plans[0]?.name)}${++count}`, now });
}

const checkout = (app: ServiceClient) =>
  app("ada", "POST", "create-checkout-session", { plan: "premium", interval: "month" });
const featuresOf = async (app: ServiceClient) => {
  const { body } = await app("ada", "GET", "entitlements");
  return (body["entitlements"] as { feature: string }[]).map(({ feature }) => feature);
};
const read = async (billing: TestHarness, path: string) => (await billing.stripe("GET", path)).body;

describe.each(DIALECTS)("two apps with equal plan ids and user ids in one Stripe account on %s", (dialect) => {
  test("sell their own prices, and one app's subscription gives nothing in the other app", async () => {
    const { billing, shop, blog, blogService } = await startApps(dialect);
    const bought = await checkout(shop);
    const shopSession = String(bought.body["sessionId"]);
    expect(await read(billing, `/v1/checkout/sessions/${shopSession}`)).toMatchObject({ amount_total: 500 });
    await payCheckout(billing.stripe, shopSession);
    await billing.drain();
    await blogService.reconcile({ sweep: true });
    expect(await featuresOf(shop)).toEqual(["discounts"]);
    expect(await featuresOf(blog)).toEqual([]);
    expect((await blog("ada", "GET", "subscriptions")).body["subscriptions"]).toEqual([]);
    expect((await blog("ada", "GET", `checkout-session?session_id=${shopSession}`)).status).toBe(404);
    expect((await blog("ada", "POST", "create-portal-session")).status).toBe(404);
    const other = await checkout(blog);
    expect(await read(billing, `/v1/checkout/sessions/${String(other.body["sessionId"])}`)).toMatchObject({
      amount_total: 9_900,
      metadata: { tollkeeper_app: "blog", tollkeeper_plan: "premium", blog_user_id: "ada" },
    });
    await payCheckout(billing.stripe, String(other.body["sessionId"]));
    await billing.drain();
    await blogService.reconcile({ sweep: true });
    expect(await featuresOf(shop)).toEqual(["discounts"]);
    expect(await featuresOf(blog)).toEqual(["articles"]);
    const canceled = await blog("ada", "POST", "cancel-subscription");
    expect(canceled).toMatchObject({ status: 200, body: { subscription: { planName: "Blog Premium" } } });
    const subscriptions = (await read(billing, "/v1/subscriptions"))["data"] as Record<string, object>[];
    expect(subscriptions.map(({ metadata, cancel_at_period_end: ends }) => [metadata, ends])).toMatchObject([
      [{ tollkeeper_app: "blog" }, true],
      [{ tollkeeper_app: "shop" }, false],
    ]);
  });

  test("do not show or change each other's subscriptions, even if they share customers", async () => {
    const userIdMetadataKey = "user_id";
    const databaseUrl = await freshDatabase(dialect);
    const options = { plans: SHOP_PLANS, app: "shop", userIdMetadataKey };
    const billing = await createTestHarness({ dialect, options });
    const blogService = billing.addReplica({ plans: BLOG_PLANS, app: "blog", userIdMetadataKey, databaseUrl });
    onTestFinished(() => blogService.stop());
    await push(billing, withApp(BLOG_PLANS, "blog"));
    const blog = createServiceClient({ fetch: blogService.fetch });
    await payCheckout(billing.stripe, String((await checkout(billing.call)).body["sessionId"]));
    await billing.drain();
    const { data } = await read(billing, "/v1/subscriptions");
    const [{ id: subscriptionId } = { id: "" }] = data as { id: string }[];
    await blogService.reconcile({ sweep: true });
    expect((await blog("ada", "GET", "subscriptions")).body["subscriptions"]).toEqual([]);
    for (const body of [{}, { subscriptionId }])
      expect((await blog("ada", "POST", "cancel-subscription", body)).status).toBe(404);
    expect((await checkout(blog)).status).toBe(200);
  });

  test("push their plans as separate products, and neither renames the other's", async () => {
    const { billing } = await startApps(dialect);
    await push(billing, withApp(planOf("Shop Pro", 700, "discounts"), "shop"));
    const { data } = await read(billing, "/v1/products");
    expect(data).toMatchObject([
      { name: "Blog Premium", metadata: { tollkeeper_app: "blog", tollkeeper_plan: "premium" } },
      { name: "Shop Pro", metadata: { tollkeeper_app: "shop", tollkeeper_plan: "premium" } },
    ]);
    const { data: prices } = await read(billing, "/v1/prices");
    const keys = (prices as { lookup_key: string | null }[]).flatMap(({ lookup_key: key }) => key ?? []);
    expect(keys.toSorted()).toEqual(["blog.premium_month", "shop.premium_month"]);
  });
});

test("an app without a name keeps the metadata and the lookup keys of earlier versions", async () => {
  const billing = await createTestHarness({ options: { plans: SHOP_PLANS } });
  const { data } = await read(billing, "/v1/products");
  expect(data).toMatchObject([{ metadata: { tollkeeper_plan: "premium" } }]);
  expect(JSON.stringify(data)).not.toContain("tollkeeper_app");
  const opened = await checkout(billing.call);
  const session = await read(billing, `/v1/checkout/sessions/${String(opened.body["sessionId"])}`);
  expect(session["metadata"]).toEqual({
    auth0_user_id: "ada",
    tollkeeper_plan: "premium",
    tollkeeper_operation: expect.any(String),
  });
});

test("a price whose product names another app is neither sold nor replaced", async () => {
  const billing = await createTestHarness({ options: { plans: SHOP_PLANS } });
  const { data } = await read(billing, "/v1/products");
  const [product] = data as { id: string }[];
  await billing.stripe("POST", `/v1/products/${String(product?.id)}`, { "metadata[tollkeeper_app]": "blog" });
  await expect(planChanges(billing.gateway, SHOP_PLANS)).rejects.toThrow(
    `price "premium_month" belongs to product ${String(product?.id)} of the app "blog"`,
  );
  expect(await checkout(billing.call)).toMatchObject({
    status: 503,
    body: { error: { code: "price_not_ready", message: expect.stringContaining('belongs to the app "blog"') } },
  });
});
