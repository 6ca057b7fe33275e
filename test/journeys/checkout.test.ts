import { describe, expect, test } from "vitest";
import { LISTS_LAG_MS } from "../../packages/tollkeeper/src/domain/operations.ts";
import { DIALECTS } from "../support/databases.ts";
import { createWorld, DAY, type World } from "../support/world.ts";

const PREMIUM = { plan: "premium", interval: "month" };
const open = (world: World, user: string, body: object = PREMIUM) =>
  world.call(user, "POST", "create-checkout-session", body);
const session = async (world: World, id: unknown) =>
  (await world.stripe("GET", `/v1/checkout/sessions/${String(id)}`)).body;
const sessions = async (world: World) =>
  (await world.stripe("GET", "/v1/checkout/sessions", { limit: "100" })).body["data"] as { status: string }[];
const customers = async (world: World) =>
  (await world.stripe("GET", "/v1/customers", { limit: "100" })).body["data"] as { id: string }[];

describe("a checkout session", () => {
  test("names user, plan and operation, and comes back with its id", async () => {
    const world = await createWorld();
    const { body } = await open(world, "auth0|ada");
    expect(body).toMatchObject({ url: expect.stringMatching(/^http/), expiresAt: world.emulator.now() + DAY * 1000 });
    expect(await session(world, body["sessionId"])).toMatchObject({
      mode: "subscription",
      client_reference_id: "auth0|ada",
      customer: expect.stringMatching(/^cus_/),
      metadata: {
        auth0_user_id: "auth0|ada",
        tollkeeper_plan: "premium",
        tollkeeper_operation: expect.stringMatching(/^op_/),
      },
      success_url: "http://app.test?session_id={CHECKOUT_SESSION_ID}",
    });
    await world.stripe("POST", `/v1/payment_pages/${String(body["sessionId"])}/confirm`, {
      payment_method: "pm_card_visa",
    });
    const { body: list } = await world.stripe("GET", "/v1/subscriptions");
    expect(list["data"]).toMatchObject([{ metadata: { auth0_user_id: "auth0|ada", tollkeeper_plan: "premium" } }]);
  });

  test("is the same one for the same intent, also when two tabs ask at once", async () => {
    const world = await createWorld();
    const answers = await Promise.all(Array.from({ length: 10 }, () => open(world, "ada")));
    expect(new Set(answers.map(({ body }) => body["sessionId"])).size).toBe(1);
    expect(await sessions(world)).toHaveLength(1);
  });

  test("costs Stripe no more for fifty impatient clicks than for three", async () => {
    let requests = 0;
    const world = await createWorld({
      network: (request, next) => {
        requests += 1;
        return next(request);
      },
    });
    const asked = async (clicks: number, user: string): Promise<number> => {
      const before = requests;
      const answers = await Promise.all(Array.from({ length: clicks }, () => open(world, user)));
      expect(new Set(answers.map(({ status, body }) => `${status} ${String(body["sessionId"])}`)).size).toBe(1);
      return requests - before;
    };
    expect(await asked(50, "ada")).toBeLessThanOrEqual(await asked(3, "bob"));
  });

  test("is replaced for another plan: one is open at a time", async () => {
    const world = await createWorld();
    const first = await open(world, "ada");
    const second = await open(world, "ada", { plan: "team", interval: "month" });
    expect(second.body["sessionId"]).not.toBe(first.body["sessionId"]);
    expect((await sessions(world)).map(({ status }) => status).toSorted()).toEqual(["expired", "open"]);
  });

  test("is a new one after the first has expired", async () => {
    const world = await createWorld();
    const first = await open(world, "ada");
    await world.advance(DAY + 1);
    const second = await open(world, "ada");
    expect(second.body["sessionId"]).not.toBe(first.body["sessionId"]);
  });

  test("is refused to a subscriber, with a way to the portal", async () => {
    const world = await createWorld();
    await world.subscribe("ada");
    expect(await open(world, "ada", { plan: "team", interval: "month" })).toMatchObject({
      status: 409,
      body: {
        error: {
          code: "already_subscribed",
          details: { next: "create-portal-session", subscriptionId: expect.stringMatching(/^sub_/) },
        },
      },
    });
  });

  test("is refused to somebody who has just paid, though no webhook came yet", async () => {
    const world = await createWorld({ deliver: async () => new Response(null, { status: 500 }) });
    const { body } = await open(world, "ada");
    await world.stripe("POST", `/v1/payment_pages/${String(body["sessionId"])}/confirm`, {
      payment_method: "pm_card_visa",
    });
    expect((await open(world, "ada")).status).toBe(409);
    expect((await open(world, "ada", { plan: "team", interval: "month" })).status).toBe(409);
  });

  test("is refused where the dashboard has made a subscription without metadata", async () => {
    const world = await createWorld();
    await world.service.ensureCustomer({ id: "ada", email: null, name: null });
    const [customer] = await customers(world);
    const method = await world.stripe("POST", "/v1/payment_methods/pm_card_visa/attach", {
      customer: customer?.id ?? "",
    });
    const { body } = await world.stripe("GET", "/v1/prices", { "lookup_keys[0]": "premium_month" });
    await world.stripe("POST", "/v1/subscriptions", {
      customer: customer?.id ?? "",
      "items[0][price]": (body["data"] as { id: string }[])[0]?.id ?? "",
      default_payment_method: String(method.body["id"]),
    });
    expect((await open(world, "ada")).status).toBe(409);
    await world.settle();
    expect(await world.features("ada")).toEqual(["exports", "priority_support"]);
  });

  test.each([
    ["an unknown plan", { plan: "gold", interval: "month" }, "unknown_plan"],
    ["an interval the plan lacks", { plan: "team", interval: "year" }, "unknown_price"],
    ["an interval that is none", { plan: "premium", interval: "weekly" }, "invalid_request"],
    ["no plan", { interval: "month" }, "invalid_request"],
    ["a plan that is a list", { plan: ["premium"], interval: "month" }, "invalid_request"],
    ["a field nobody knows", { ...PREMIUM, quantity: -1 }, "invalid_request"],
    ["a way back to somewhere else", { ...PREMIUM, successUrl: "https://evil.example.com/" }, "invalid_url"],
    ["a way back that is a script", { ...PREMIUM, cancelUrl: "javascript:alert(1)" }, "invalid_url"],
  ])("answers 400 to %s, and asks nothing of Stripe", async (_name, body, code) => {
    const world = await createWorld();
    expect(await open(world, "ada", body)).toMatchObject({ status: 400, body: { error: { code } } });
    expect(await customers(world)).toEqual([]);
  });

  test("says what to do where a plan's price is not in Stripe, or differs there", async () => {
    const world = await createWorld({ pushPlans: false });
    expect(await open(world, "ada")).toMatchObject({
      status: 503,
      body: { error: { code: "price_not_ready", message: expect.stringContaining("npx tollkeeper plans push") } },
    });
    const product = await world.stripe("POST", "/v1/products", { name: "Premium" });
    await world.stripe("POST", "/v1/prices", {
      product: String(product.body["id"]),
      currency: "usd",
      unit_amount: "100",
      lookup_key: "premium_month",
      "recurring[interval]": "month",
    });
    expect(await open(world, "ada")).toMatchObject({ status: 503, body: { error: { code: "price_not_ready" } } });
  });
});

describe.each(DIALECTS)("a customer on %s", (dialect) => {
  test("is one for a user who comes fifty times at once, on four replicas", async () => {
    const world = await createWorld({ dialect });
    const replicas = [world.service, world.replica(), world.replica(), world.replica()];
    const ada = { id: "ada", email: "ada@example.com", name: "Ada" };
    const asks = Array.from({ length: 13 }, () => replicas)
      .flat()
      .slice(0, 50);
    const ids = await Promise.all(asks.map((replica) => replica.ensureCustomer(ada)));
    expect(new Set(ids).size).toBe(1);
    expect(await customers(world)).toMatchObject([
      { id: ids[0], metadata: { auth0_user_id: "ada" }, email: "ada@example.com" },
    ]);
  });

  test("has one open session for first checkouts on four replicas at once", async () => {
    const world = await createWorld({ dialect });
    const services = [world.service, world.replica(), world.replica(), world.replica()];
    const ask = (service: (typeof services)[number]) =>
      service.fetch(
        new Request("http://app.test/stripe/create-checkout-session", {
          method: "POST",
          headers: { authorization: "Bearer ada", "content-type": "application/json" },
          body: JSON.stringify(PREMIUM),
        }),
      );
    const answers = await Promise.all([1, 2, 3, 4, 5].flatMap(() => services.map(ask)));
    const refused = answers.filter(({ status }) => status !== 200);
    // Named, since the code tells which limit has run out.
    expect(await Promise.all(refused.map(async (answer) => `${answer.status} ${await answer.text()}`))).toEqual([]);
    expect(await customers(world)).toHaveLength(1);
    expect((await sessions(world)).filter(({ status }) => status === "open")).toHaveLength(1);
  });
});

describe("a customer", () => {
  const ada = { id: "ada", email: "ada@example.com", name: null };

  test("that was made before this software came is found by its metadata", async () => {
    const world = await createWorld();
    const made = await world.stripe("POST", "/v1/customers", { "metadata[auth0_user_id]": "ada" });
    expect(await world.service.ensureCustomer(ada)).toBe(made.body["id"]);
    expect(await customers(world)).toHaveLength(1);
  });

  test("is never linked by an email", async () => {
    const world = await createWorld();
    const made = await world.stripe("POST", "/v1/customers", { email: "ada@example.com" });
    expect(await world.service.ensureCustomer(ada)).not.toBe(made.body["id"]);
  });

  test.each([`o'brien`, `back\\slash`, `a' OR metadata['x']:'`])(
    "of the user %s is found by exactly that id",
    async (id) => {
      const world = await createWorld();
      const made = await world.stripe("POST", "/v1/customers", { "metadata[auth0_user_id]": id });
      expect(await world.service.ensureCustomer({ ...ada, id })).toBe(made.body["id"]);
    },
  );

  test("is not made while the search fails: an error is not none", async () => {
    let down = true;
    const world = await createWorld({
      network: (request, next) => (down && request.url.includes("/search") ? failing() : next(request)),
    });
    await expect(world.service.ensureCustomer(ada)).rejects.toMatchObject({ code: "stripe_unavailable" });
    expect(await customers(world)).toEqual([]);
    down = false;
    expect(await world.service.ensureCustomer(ada)).toMatch(/^cus_/);
  });

  test("that Stripe made before the connection broke is found again, not made twice", async () => {
    let breaks = 1;
    const world = await createWorld({
      network: async (request, next) => {
        const response = await next(request);
        if (request.method === "POST" && request.url.endsWith("/v1/customers") && breaks-- > 0)
          throw new TypeError("fetch failed");
        return response;
      },
    });
    await expect(world.service.ensureCustomer(ada)).rejects.toMatchObject({ code: "stripe_unavailable" });
    expect(await customers(world)).toHaveLength(1);
    const renamed = { ...ada, email: "new@example.com" };
    expect(await world.service.ensureCustomer(renamed)).toBe((await customers(world))[0]?.id);
    expect(await customers(world)).toHaveLength(1);
  });

  describe("after Stripe has stored a failure under the key", () => {
    /** Only the first key hears it; `happened` is what became of the request all the same. */
    async function failedOnce(
      happened: "made" | "not made",
      isBehind = () => false,
      takeTime: () => Promise<unknown> = async () => {},
    ): Promise<World> {
      let failures = 1;
      return createWorld({
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

    test("is found by the next try, where it was made", async () => {
      const world = await failedOnce("made");
      await expect(world.service.ensureCustomer(ada)).rejects.toMatchObject({ code: "stripe_unavailable" });
      expect(await world.service.ensureCustomer(ada)).toMatch(/^cus_/);
      expect(await customers(world)).toHaveLength(1);
    });

    test("is made once lists would show it, where it was not", async () => {
      const world = await failedOnce("not made");
      await expect(world.service.ensureCustomer(ada)).rejects.toMatchObject({ code: "stripe_unavailable" });
      await expect(world.service.ensureCustomer(ada)).rejects.toMatchObject({ code: "operation_in_progress" });
      await world.advance(LISTS_LAG_MS / 1000);
      expect(await world.service.ensureCustomer(ada)).toMatch(/^cus_/);
      expect(await customers(world)).toHaveLength(1);
    });

    test("is not made again after a list that took long and was asked for too early", async () => {
      let behind = false;
      let answerSeconds = 0;
      const world: World = await failedOnce(
        "made",
        () => behind,
        () => world.emulator.advance(answerSeconds),
      );
      await expect(world.service.ensureCustomer(ada)).rejects.toMatchObject({ code: "stripe_unavailable" });
      behind = true;
      answerSeconds = LISTS_LAG_MS / 1000;
      await expect(world.service.ensureCustomer(ada)).rejects.toMatchObject({ code: "operation_in_progress" });
    });

    test("is not made again while a list is behind", async () => {
      let behind = false;
      const world = await failedOnce("made", () => behind);
      await expect(world.service.ensureCustomer(ada)).rejects.toMatchObject({ code: "stripe_unavailable" });
      behind = true;
      await expect(world.service.ensureCustomer(ada)).rejects.toMatchObject({ code: "operation_in_progress" });
      behind = false;
      await world.advance(LISTS_LAG_MS / 1000);
      expect(await world.service.ensureCustomer(ada)).toMatch(/^cus_/);
      expect(await customers(world)).toHaveLength(1);
    });
  });

  test("is looked for, not made again, once Stripe may have forgotten the key", async () => {
    let breaks = 1;
    const world = await createWorld({
      network: async (request, next) => {
        const response = await next(request);
        if (request.method === "POST" && request.url.endsWith("/v1/customers") && breaks-- > 0)
          throw new TypeError("fetch failed");
        return response;
      },
      // Search has not caught up: it must not be what saves us.
    });
    await expect(world.service.ensureCustomer(ada)).rejects.toMatchObject({ code: "stripe_unavailable" });
    await world.advance(2 * DAY);
    await world.service.ensureCustomer(ada);
    expect(await customers(world)).toHaveLength(1);
  });

  test.each(["told by a webhook", "found out at the next checkout"])(
    "deleted in Stripe is replaced: %s",
    async (how) => {
      const world = await createWorld(
        how === "told by a webhook" ? {} : { deliver: async () => new Response(null, { status: 500 }) },
      );
      const first = await world.service.ensureCustomer(ada);
      await world.stripe("DELETE", `/v1/customers/${first}`);
      if (how === "told by a webhook") await world.settle();
      const { status, body } = await open(world, "ada");
      expect(status).toBe(200);
      expect((await session(world, body["sessionId"]))["customer"]).not.toBe(first);
    },
  );

  function failing(headers: Record<string, string> = {}): Promise<Response> {
    const body = JSON.stringify({ error: { type: "api_error", message: "down" } });
    return Promise.resolve(
      new Response(body, { status: 500, headers: { "content-type": "application/json", ...headers } }),
    );
  }
});
