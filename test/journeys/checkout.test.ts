import { describe, expect, test } from "vitest";
import { planChanges, pushPlans } from "../../packages/tollkeeper/src/actions/push-plans.ts";
import { LIST_LAG_MS } from "../../packages/tollkeeper/src/domain/operations.ts";
import { DIALECTS } from "../support/databases.ts";
import { payCheckout } from "../../packages/tollkeeper/src/testing/harness/index.ts";
import type { Plan, Tollkeeper, TollkeeperOptions, User } from "../../packages/tollkeeper/src/index.ts";
import { createTestHarness, DAY, type TestHarness } from "../support/harness.ts";
import { PLANS } from "../support/plans.ts";

const PREMIUM = { plan: "premium", interval: "month" };
const open = (billing: TestHarness, user: string, body: object = PREMIUM) =>
  billing.call(user, "POST", "create-checkout-session", body);
const session = async (billing: TestHarness, id: unknown) =>
  (await billing.stripe("GET", `/v1/checkout/sessions/${String(id)}`)).body;
const sessions = async (billing: TestHarness) =>
  (await billing.stripe("GET", "/v1/checkout/sessions", { limit: "100" })).body["data"] as { status: string }[];
const customers = async (billing: TestHarness) =>
  (await billing.stripe("GET", "/v1/customers", { limit: "100" })).body["data"] as { id: string }[];

describe("a checkout session", () => {
  test("contains the user, the plan and the operation, and its return URL contains the session id", async () => {
    const billing = await createTestHarness();
    const { body } = await open(billing, "auth0|ada");
    expect(body).toMatchObject({ url: expect.stringMatching(/^http/), expiresAt: billing.emulator.now() + DAY * 1000 });
    expect(await session(billing, body["sessionId"])).toMatchObject({
      mode: "subscription",
      client_reference_id: "auth0|ada",
      customer: expect.stringMatching(/^cus_/),
      metadata: {
        auth0_user_id: "auth0|ada",
        tollkeeper_plan: "premium",
        tollkeeper_operation: expect.stringMatching(/^op_/),
      },
      success_url: "http://app.test/?session_id={CHECKOUT_SESSION_ID}",
    });
    await billing.stripe("POST", `/v1/payment_pages/${String(body["sessionId"])}/confirm`, {
      payment_method: "pm_card_visa",
    });
    const { body: list } = await billing.stripe("GET", "/v1/subscriptions");
    expect(list["data"]).toMatchObject([{ metadata: { auth0_user_id: "auth0|ada", tollkeeper_plan: "premium" } }]);
  });

  test("is shared by all of a user's requests with the same plan and URLs, even from several tabs at once", async () => {
    const billing = await createTestHarness();
    const responses = await Promise.all(Array.from({ length: 10 }, () => open(billing, "ada")));
    expect(new Set(responses.map(({ body }) => body["sessionId"])).size).toBe(1);
    expect(await sessions(billing)).toHaveLength(1);
  });

  test("needs no more requests to Stripe for fifty clicks than for three clicks", async () => {
    let requests = 0;
    const billing = await createTestHarness({
      network: (request, next) => {
        requests += 1;
        return next(request);
      },
    });
    const asked = async (clicks: number, user: string): Promise<number> => {
      const before = requests;
      const responses = await Promise.all(Array.from({ length: clicks }, () => open(billing, user)));
      expect(new Set(responses.map(({ status, body }) => `${status} ${String(body["sessionId"])}`)).size).toBe(1);
      return requests - before;
    };
    expect(await asked(50, "ada")).toBeLessThanOrEqual(await asked(3, "bob"));
  });

  test("expires when the user requests another plan, so only one session is open", async () => {
    const billing = await createTestHarness();
    const first = await open(billing, "ada");
    const second = await open(billing, "ada", { plan: "team", interval: "month" });
    expect(second.body["sessionId"]).not.toBe(first.body["sessionId"]);
    expect((await sessions(billing)).map(({ status }) => status).toSorted()).toEqual(["expired", "open"]);
  });

  test("is replaced by a new session after it has expired", async () => {
    const billing = await createTestHarness();
    const first = await open(billing, "ada");
    await billing.advance(DAY + 1);
    const second = await open(billing, "ada");
    expect(second.body["sessionId"]).not.toBe(first.body["sessionId"]);
  });

  test("is refused to a subscriber, with an error that names the portal route", async () => {
    const billing = await createTestHarness();
    await billing.subscribe("ada");
    expect(await open(billing, "ada", { plan: "team", interval: "month" })).toMatchObject({
      status: 409,
      body: {
        error: {
          code: "already_subscribed",
          message: "You have Premium. Manage it in the portal, or cancel it first, to buy Team afterwards.",
          details: { next: "create-portal-session", subscriptionId: expect.stringMatching(/^sub_/) },
          possible: [
            { route: "create-portal-session" },
            { route: "cancel-subscription", subscriptionId: expect.stringMatching(/^sub_/), planName: "Premium" },
          ],
        },
      },
    });
  });

  test("is refused with an error that names the user's plan, and the way to continue a canceled plan", async () => {
    const billing = await createTestHarness();
    await billing.subscribe("ada");
    const messageOf = async (plan: string) => {
      const { body } = await open(billing, "ada", { plan, interval: "month" });
      return body["error"] as { message: string; possible: { route: string }[] };
    };
    expect((await messageOf("premium")).message).toBe(
      "You already have Premium. Manage it in the portal, or cancel it first.",
    );
    await billing.call("ada", "POST", "cancel-subscription");
    const error = await messageOf("team");
    expect(error.message).toContain("You have Premium. Resume it, or wait until it has ended");
    expect(error.possible.map(({ route }) => route)).toEqual(["create-portal-session", "resume-subscription"]);
  });

  test("is refused to a user who has just paid, before any webhook arrives", async () => {
    const billing = await createTestHarness({ deliver: async () => new Response(null, { status: 500 }) });
    const { body } = await open(billing, "ada");
    await billing.stripe("POST", `/v1/payment_pages/${String(body["sessionId"])}/confirm`, {
      payment_method: "pm_card_visa",
    });
    expect((await open(billing, "ada")).status).toBe(409);
    expect((await open(billing, "ada", { plan: "team", interval: "month" })).status).toBe(409);
  });

  test("is refused to a user whose subscription was created in the dashboard without metadata", async () => {
    const billing = await createTestHarness();
    await billing.service.ensureCustomer({ id: "ada", email: null, name: null });
    const [customer] = await customers(billing);
    const method = await billing.stripe("POST", "/v1/payment_methods/pm_card_visa/attach", {
      customer: customer?.id ?? "",
    });
    const { body } = await billing.stripe("GET", "/v1/prices", { "lookup_keys[0]": "premium_month" });
    await billing.stripe("POST", "/v1/subscriptions", {
      customer: customer?.id ?? "",
      "items[0][price]": (body["data"] as { id: string }[])[0]?.id ?? "",
      default_payment_method: String(method.body["id"]),
    });
    expect((await open(billing, "ada")).status).toBe(409);
    await billing.drain();
    expect(await billing.features("ada")).toEqual(["exports", "priority_support"]);
  });

  test("and a portal session send Stripe the URL that browsers read, not the text of the request", async () => {
    const billing = await createTestHarness();
    const { body } = await open(billing, "ada", {
      ...PREMIUM,
      successUrl: "http://app.test\\@evil.example/{CHECKOUT_SESSION_ID}",
      cancelUrl: "http://app.test/\t\\back",
    });
    expect(await session(billing, body["sessionId"])).toMatchObject({
      success_url: "http://app.test/@evil.example/{CHECKOUT_SESSION_ID}",
      cancel_url: "http://app.test//back",
    });
    let sent = "";
    const watched = await createTestHarness({
      network: async (request, next) => {
        if (request.url.includes("/billing_portal/")) sent = await request.clone().text();
        return next(request);
      },
    });
    await watched.subscribe("ada");
    await watched.call("ada", "POST", "create-portal-session", { returnUrl: "http://app.test\\@evil.example" });
    expect(new URLSearchParams(sent).get("return_url")).toBe("http://app.test/@evil.example");
  });

  test.each([
    ["an unknown plan", { plan: "gold", interval: "month" }, "unknown_plan"],
    ["an interval the plan lacks", { plan: "team", interval: "year" }, "unknown_price"],
    ["an interval that is none", { plan: "premium", interval: "weekly" }, "invalid_request"],
    ["no plan", { interval: "month" }, "invalid_request"],
    ["a plan that is a list", { plan: ["premium"], interval: "month" }, "invalid_request"],
    ["an unknown field", { ...PREMIUM, quantity: -1 }, "invalid_request"],
    ["a way back to somewhere else", { ...PREMIUM, successUrl: "https://evil.example.com/" }, "invalid_url"],
    ["a way back that is a script", { ...PREMIUM, cancelUrl: "javascript:alert(1)" }, "invalid_url"],
  ])("is refused with 400 for %s, without a request to Stripe", async (_name, body, code) => {
    const billing = await createTestHarness();
    expect(await open(billing, "ada", body)).toMatchObject({ status: 400, body: { error: { code } } });
    expect(await customers(billing)).toEqual([]);
  });

  test("cannot be created if the plan's price is missing or different in Stripe, and the error explains what to do", async () => {
    const billing = await createTestHarness({ pushPlans: false });
    expect(await open(billing, "ada")).toMatchObject({
      status: 503,
      body: { error: { code: "price_not_ready", message: expect.stringContaining("npx tollkeeper plans push") } },
    });
    const product = await billing.stripe("POST", "/v1/products", { name: "Premium" });
    await billing.stripe("POST", "/v1/prices", {
      product: String(product.body["id"]),
      currency: "usd",
      unit_amount: "100",
      lookup_key: "premium_month",
      "recurring[interval]": "month",
    });
    expect(await open(billing, "ada")).toMatchObject({ status: 503, body: { error: { code: "price_not_ready" } } });
  });
});

describe.each(DIALECTS)("a purchase on %s", (dialect) => {
  const signIn = (user: User) => createTestHarness({ dialect, options: { authenticate: async () => user } });
  const leftOut = ({ log }: TestHarness) => log.flatMap(({ fields }) => ("fields" in fields ? [fields.fields] : []));

  test.each<[string, Partial<User>, string[]]>([
    ["an email without a top-level domain", { email: "ada@intranet" }, ["email"]],
    ["an email with a full-width at sign", { email: "ada＠example.com" }, ["email"]],
    ["an email of 600 characters", { email: `${"a".repeat(588)}@example.com` }, ["email"]],
    ["a name of 300 characters", { name: "n".repeat(300) }, ["name"]],
    ["an email and a name that Stripe refuses", { email: "ada", name: "n".repeat(300) }, ["email", "name"]],
  ])("succeeds with %s, which is left out and logged without its value", async (_name, changes, fields) => {
    const user: User = { id: "ada", email: "ada@example.com", name: "Ada", ...changes };
    const billing = await signIn(user);
    expect((await billing.subscribe("ada")).status).toBe(200);
    expect(await billing.features("ada")).toEqual(["exports", "priority_support"]);
    const [customer] = await customers(billing);
    expect(customer).toMatchObject({
      email: fields.includes("email") ? null : user.email,
      name: fields.includes("name") ? null : user.name,
    });
    expect(leftOut(billing).map((names) => (names as string[]).toSorted())).toEqual([fields]);
    const refused = [user.email, user.name].filter((value) => value !== null && value !== "Ada");
    expect(refused.filter((value) => JSON.stringify(billing.log).includes(value ?? ""))).toEqual([]);
  });

  test.each([200, 201, 230, 255])(
    "succeeds for a user id of %s characters, and its user can verify it",
    async (length) => {
      const id = `auth0|${"x".repeat(length - 6)}`;
      const billing = await signIn({ id, email: null, name: null });
      const { body } = await open(billing, "");
      expect(await session(billing, body["sessionId"])).toMatchObject({
        client_reference_id: length > 200 ? null : id,
        metadata: { auth0_user_id: id },
      });
      expect(leftOut(billing)).toEqual(length > 200 ? [["client_reference_id"]] : []);
      await payCheckout(billing.stripe, String(body["sessionId"]));
      const verified = await billing.call("", "GET", `checkout-session?session_id=${String(body["sessionId"])}`);
      expect(verified).toMatchObject({ status: 200, body: { status: "complete", subscription: { plan: "premium" } } });
    },
  );

  test("can't be verified by another user, whatever its client_reference_id is", async () => {
    const billing = await createTestHarness({ dialect });
    const { body } = await open(billing, "ada");
    const verify = (user: string) =>
      billing.call(user, "GET", `checkout-session?session_id=${String(body["sessionId"])}`);
    expect((await verify("ada")).status).toBe(200);
    expect((await verify("bob")).status).toBe(404);
    const made = await billing.stripe("POST", "/v1/checkout/sessions", {
      mode: "setup",
      customer: String((await session(billing, body["sessionId"]))["customer"]),
      client_reference_id: "bob",
      success_url: "http://app.test",
    });
    expect((await billing.call("bob", "GET", `checkout-session?session_id=${String(made.body["id"])}`)).status).toBe(
      404,
    );
  });
});

describe.each(DIALECTS)("an open checkout session on %s is replaced", (dialect) => {
  const [premium, team] = PLANS;
  if (!premium || !team) throw new Error("expected two plans");
  const withPrice = (change: { amount?: number; trialDays?: number }) => [
    { ...premium, prices: premium.prices.map((price) => ({ ...price, ...change })) },
    team,
  ];
  const pushTo = async (billing: TestHarness, plans: typeof PLANS) => {
    let count = 0;
    const { now } = billing.emulator;
    await pushPlans(billing.gateway, await planChanges(billing.gateway, plans), {
      newId: () => `again${++count}`,
      now,
    });
  };
  const openAt = async (replica: Tollkeeper) => {
    const response = await replica.fetch(
      new Request("http://app.test/stripe/create-checkout-session", {
        method: "POST",
        headers: { authorization: "Bearer ada", "content-type": "application/json" },
        body: JSON.stringify(PREMIUM),
      }),
    );
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };

  test.each<[string, Partial<TollkeeperOptions>, object]>([
    [
      "if the price has changed in the code and at Stripe",
      { plans: withPrice({ amount: 500 }) },
      { amount_total: 500 },
    ],
    ["if the plan now has a trial", { plans: withPrice({ trialDays: 7 }) }, { amount_total: 0 }],
    ["if promotion codes are now allowed", { allowPromotionCodes: true }, { allow_promotion_codes: true }],
    ["if the default success URL has changed", { successUrl: "http://app.test/ok" }, {}],
  ])("%s", async (_name, options, expected) => {
    const billing = await createTestHarness({ dialect });
    const first = await open(billing, "ada");
    if (options.plans) await pushTo(billing, options.plans);
    const replica = billing.addReplica(options);
    const second = await openAt(replica);
    expect(second.body["sessionId"]).not.toBe(first.body["sessionId"]);
    expect(await session(billing, first.body["sessionId"])).toMatchObject({ status: "expired" });
    expect(await session(billing, second.body["sessionId"])).toMatchObject({ status: "open", ...expected });
    expect((await openAt(replica)).body["sessionId"]).toBe(second.body["sessionId"]);
  });

  test.each<[string, Record<string, string>, readonly Plan[]]>([
    ["is archived", { active: "false" }, PLANS],
    ["differs from the code", {}, withPrice({ amount: 500 })],
  ])("by no session if the price %s, so that the user can't pay it any more", async (_name, change, plans) => {
    const billing = await createTestHarness({ dialect });
    const first = await open(billing, "ada");
    const { body } = await billing.stripe("GET", "/v1/prices", { "lookup_keys[0]": "premium_month" });
    const [price] = body["data"] as { id: string }[];
    await billing.stripe("POST", `/v1/prices/${String(price?.id)}`, change);
    const replica = billing.addReplica({ plans });
    expect(await openAt(replica)).toMatchObject({ status: 503, body: { error: { code: "price_not_ready" } } });
    expect(await session(billing, first.body["sessionId"])).toMatchObject({ status: "expired" });
  });
});

describe.each(DIALECTS)("a customer on %s", (dialect) => {
  test("is created only once for fifty concurrent calls on four replicas", async () => {
    const billing = await createTestHarness({ dialect });
    const replicas = [billing.service, billing.addReplica(), billing.addReplica(), billing.addReplica()];
    const ada = { id: "ada", email: "ada@example.com", name: "Ada" };
    const asks = Array.from({ length: 13 }, () => replicas)
      .flat()
      .slice(0, 50);
    const ids = await Promise.all(asks.map((replica) => replica.ensureCustomer(ada)));
    expect(new Set(ids).size).toBe(1);
    expect(await customers(billing)).toMatchObject([
      { id: ids[0], metadata: { auth0_user_id: "ada" }, email: "ada@example.com" },
    ]);
  });

  test("has only one open checkout session after concurrent first checkouts on four replicas", async () => {
    const billing = await createTestHarness({ dialect });
    const services = [billing.service, billing.addReplica(), billing.addReplica(), billing.addReplica()];
    const ask = (service: (typeof services)[number]) =>
      service.fetch(
        new Request("http://app.test/stripe/create-checkout-session", {
          method: "POST",
          headers: { authorization: "Bearer ada", "content-type": "application/json" },
          body: JSON.stringify(PREMIUM),
        }),
      );
    const responses = await Promise.all([1, 2, 3, 4, 5].flatMap(() => services.map(ask)));
    const refused = responses.filter(({ status }) => status !== 200);
    // If the service refuses a checkout request, the error code shows which limit the user has exceeded.
    expect(await Promise.all(refused.map(async (response) => `${response.status} ${await response.text()}`))).toEqual(
      [],
    );
    expect(await customers(billing)).toHaveLength(1);
    expect((await sessions(billing)).filter(({ status }) => status === "open")).toHaveLength(1);
  });
});

describe("a customer", () => {
  const ada = { id: "ada", email: "ada@example.com", name: null };

  test("that existed before the service was installed is found by its metadata", async () => {
    const billing = await createTestHarness();
    const made = await billing.stripe("POST", "/v1/customers", { "metadata[auth0_user_id]": "ada" });
    expect(await billing.service.ensureCustomer(ada)).toBe(made.body["id"]);
    expect(await customers(billing)).toHaveLength(1);
  });

  test("is never linked to a user by email address", async () => {
    const billing = await createTestHarness();
    const made = await billing.stripe("POST", "/v1/customers", { email: "ada@example.com" });
    expect(await billing.service.ensureCustomer(ada)).not.toBe(made.body["id"]);
  });

  test.each([`o'brien`, `back\\slash`, `a' OR metadata['x']:'`])(
    "of the user with the id %s is found, although the id contains special characters",
    async (id) => {
      const billing = await createTestHarness();
      const made = await billing.stripe("POST", "/v1/customers", { "metadata[auth0_user_id]": id });
      expect(await billing.service.ensureCustomer({ ...ada, id })).toBe(made.body["id"]);
    },
  );

  test("is not created while the search for existing customers fails", async () => {
    let down = true;
    const billing = await createTestHarness({
      network: (request, next) => (down && request.url.includes("/search") ? failing() : next(request)),
    });
    await expect(billing.service.ensureCustomer(ada)).rejects.toMatchObject({ code: "stripe_unavailable" });
    expect(await customers(billing)).toEqual([]);
    down = false;
    expect(await billing.service.ensureCustomer(ada)).toMatch(/^cus_/);
  });

  test("is not created twice if the connection broke after Stripe created the customer", async () => {
    let breaks = 1;
    const billing = await createTestHarness({
      network: async (request, next) => {
        const response = await next(request);
        if (request.method === "POST" && request.url.endsWith("/v1/customers") && breaks-- > 0)
          throw new TypeError("fetch failed");
        return response;
      },
    });
    await expect(billing.service.ensureCustomer(ada)).rejects.toMatchObject({ code: "stripe_unavailable" });
    expect(await customers(billing)).toHaveLength(1);
    const renamed = { ...ada, email: "new@example.com" };
    expect(await billing.service.ensureCustomer(renamed)).toBe((await customers(billing))[0]?.id);
    expect(await customers(billing)).toHaveLength(1);
  });

  describe("whose creation failed with a response that Stripe stored under the idempotency key", () => {
    /**
     * Makes Stripe fail every request that has the idempotency key of the first request. The parameter `happened` says whether
     * the failed request takes effect at Stripe.
     */
    async function failedOnce(
      happened: "made" | "not made",
      isBehind = () => false,
      takeTime: () => Promise<unknown> = async () => {},
    ): Promise<TestHarness> {
      let failures = 1;
      return createTestHarness({
        network: async (request, next) => {
          if (request.method === "GET" && isBehind()) await takeTime();
          if (request.method === "GET" && isBehind())
            return Response.json({ object: "list", data: [], has_more: false, url: "/v1/customers" });
          if (request.method !== "POST" || !request.url.endsWith("/v1/customers")) return next(request);
          if (/^op_.*_/.test(request.headers.get("idempotency-key") ?? "")) return next(request);
          if (failures-- <= 0) return failing({ "idempotent-replayed": "true" });
          if (happened === "made") await next(request);
          return failing();
        },
      });
    }

    test("is found by the next call if Stripe had created the customer despite the failure", async () => {
      const billing = await failedOnce("made");
      await expect(billing.service.ensureCustomer(ada)).rejects.toMatchObject({ code: "stripe_unavailable" });
      expect(await billing.service.ensureCustomer(ada)).toMatch(/^cus_/);
      expect(await customers(billing)).toHaveLength(1);
    });

    test("is created after the maximum lag of lists if Stripe did not create the customer before", async () => {
      const billing = await failedOnce("not made");
      await expect(billing.service.ensureCustomer(ada)).rejects.toMatchObject({ code: "stripe_unavailable" });
      await expect(billing.service.ensureCustomer(ada)).rejects.toMatchObject({ code: "operation_in_progress" });
      await billing.advance(LIST_LAG_MS / 1000);
      expect(await billing.service.ensureCustomer(ada)).toMatch(/^cus_/);
      expect(await customers(billing)).toHaveLength(1);
    });

    test("is not created again if the list of customers was requested before the maximum lag had passed", async () => {
      let behind = false;
      let responseSeconds = 0;
      const billing: TestHarness = await failedOnce(
        "made",
        () => behind,
        () => billing.emulator.advance(responseSeconds),
      );
      await expect(billing.service.ensureCustomer(ada)).rejects.toMatchObject({ code: "stripe_unavailable" });
      behind = true;
      responseSeconds = LIST_LAG_MS / 1000;
      await expect(billing.service.ensureCustomer(ada)).rejects.toMatchObject({ code: "operation_in_progress" });
    });

    test("is not created again while Stripe's list of customers is stale", async () => {
      let behind = false;
      const billing = await failedOnce("made", () => behind);
      await expect(billing.service.ensureCustomer(ada)).rejects.toMatchObject({ code: "stripe_unavailable" });
      behind = true;
      await expect(billing.service.ensureCustomer(ada)).rejects.toMatchObject({ code: "operation_in_progress" });
      behind = false;
      await billing.advance(LIST_LAG_MS / 1000);
      expect(await billing.service.ensureCustomer(ada)).toMatch(/^cus_/);
      expect(await customers(billing)).toHaveLength(1);
    });
  });

  test("is searched for, and not created again, after the idempotency key of its creation has expired", async () => {
    let breaks = 1;
    const billing = await createTestHarness({
      network: async (request, next) => {
        const response = await next(request);
        if (request.method === "POST" && request.url.endsWith("/v1/customers") && breaks-- > 0)
          throw new TypeError("fetch failed");
        return response;
      },
    });
    await expect(billing.service.ensureCustomer(ada)).rejects.toMatchObject({ code: "stripe_unavailable" });
    await billing.advance(2 * DAY);
    await billing.service.ensureCustomer(ada);
    expect(await customers(billing)).toHaveLength(1);
  });

  test.each(["reported by a webhook", "found at the next checkout"])(
    "that was deleted in Stripe is replaced by a new customer when the deletion is %s",
    async (how) => {
      const billing = await createTestHarness(
        how === "reported by a webhook" ? {} : { deliver: async () => new Response(null, { status: 500 }) },
      );
      const first = await billing.service.ensureCustomer(ada);
      await billing.stripe("DELETE", `/v1/customers/${first}`);
      if (how === "reported by a webhook") await billing.drain();
      const { status, body } = await open(billing, "ada");
      expect(status).toBe(200);
      expect((await session(billing, body["sessionId"]))["customer"]).not.toBe(first);
    },
  );

  function failing(headers: Record<string, string> = {}): Promise<Response> {
    const body = JSON.stringify({ error: { type: "api_error", message: "down" } });
    return Promise.resolve(
      new Response(body, { status: 500, headers: { "content-type": "application/json", ...headers } }),
    );
  }
});
