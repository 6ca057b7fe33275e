/** Tests Stripe's API with the official SDK. */
import type Stripe from "stripe";
import { expect, test } from "vitest";
import { authenticate, createSdk, DAY, refusal, subscriber } from "./support/sdk.ts";

test("the SDK accepts the signatures of events that the emulator sends to a webhook endpoint", async () => {
  const received: { body: string; signature: string }[] = [];
  const { emulator, stripe } = createSdk({
    fetch: async (request) => {
      received.push({ body: await request.text(), signature: request.headers.get("stripe-signature") ?? "" });
      return new Response(null, { status: 200 });
    },
  });
  const endpoint = await stripe.webhookEndpoints.create({
    url: "http://app.test/hook",
    enabled_events: ["customer.created"],
  });
  expect(endpoint.secret).toMatch(/^whsec_/);
  const customer = await stripe.customers.create({ email: "ada@example.com" });
  await emulator.drain();
  expect(received).toHaveLength(1);
  const event = stripe.webhooks.constructEvent(
    received[0]?.body ?? "",
    received[0]?.signature ?? "",
    endpoint.secret ?? "",
    300,
    undefined,
    emulator.now(),
  );
  expect(event).toMatchObject({ type: "customer.created", data: { object: { id: customer.id } } });
});

test("a customer can be created, updated, searched and deleted", async () => {
  const { stripe } = createSdk();
  const customer = await stripe.customers.create({
    email: "ada@example.com",
    name: "Ada",
    metadata: { user: "1", team: "a" },
  });
  expect(await stripe.customers.update(customer.id, { name: "", metadata: { team: "", plan: "x" } })).toMatchObject({
    name: null,
    email: "ada@example.com",
    metadata: { user: "1", plan: "x" },
  });
  expect((await stripe.customers.search({ query: "metadata['user']:'1' AND email~'example'" })).data).toHaveLength(1);
  expect((await stripe.customers.search({ query: "-email:'ada@example.com'" })).data).toHaveLength(0);
  expect(await stripe.customers.del(customer.id)).toEqual(expect.objectContaining({ id: customer.id, deleted: true }));
  expect(await stripe.customers.retrieve(customer.id)).toMatchObject({ deleted: true });
});

test("a price is found by its lookup key, and the lookup key can move to another price", async () => {
  const { stripe } = createSdk();
  const product = await stripe.products.create({ name: "Premium" });
  const make = (more: Partial<Stripe.PriceCreateParams> = {}) =>
    stripe.prices.create({
      product: product.id,
      unit_amount: 900,
      currency: "usd",
      recurring: { interval: "month" },
      lookup_key: "premium",
      ...more,
    });
  const first = await make();
  expect(await refusal(make())).toMatchObject({ statusCode: 400, param: "lookup_key" });
  const second = await make({ transfer_lookup_key: true });
  expect((await stripe.prices.list({ lookup_keys: ["premium"] })).data.map(({ id }) => id)).toEqual([second.id]);
  expect((await stripe.prices.retrieve(first.id)).lookup_key).toBeNull();
});

test("paying a checkout session completes it and creates an active subscription", async () => {
  const { emulator, stripe } = createSdk();
  const { price, customer } = await subscriber(stripe);
  const session = await stripe.checkout.sessions.create({
    mode: "subscription",
    customer: customer.id,
    line_items: [{ price: price.id, quantity: 2 }],
    success_url: "http://app.test/ok?s={CHECKOUT_SESSION_ID}",
    subscription_data: { metadata: { plan: "premium" } },
  });
  expect(session).toMatchObject({
    status: "open",
    payment_status: "unpaid",
    amount_total: 5_000,
    url: expect.stringContaining("/c/pay/") as string,
  });
  const page = await emulator.fetch(new Request(session.url ?? ""));
  expect(await page.text()).toContain("$50.00");
  const paid = await emulator.fetch(
    new Request(`${session.url ?? ""}/pay`, {
      method: "POST",
      body: new URLSearchParams({ number: "4242424242424242", expiry: "12/34", cvc: "123" }),
    }),
  );
  expect(paid.headers.get("location")).toBe(`http://app.test/ok?s=${session.id}`);
  const complete = await stripe.checkout.sessions.retrieve(session.id, { expand: ["subscription", "line_items"] });
  expect(complete).toMatchObject({ status: "complete", payment_status: "paid", url: null });
  expect(complete.subscription).toMatchObject({ status: "active", metadata: { plan: "premium" } });
  expect(complete.line_items?.data).toMatchObject([{ amount_total: 5_000, quantity: 2, description: "Premium" }]);
  expect((await stripe.checkout.sessions.list({ customer: customer.id })).data).toHaveLength(1);
});

test("a setup intent saves a card, after 3-D Secure if the card requires authentication", async () => {
  const { emulator, stripe } = createSdk();
  const customer = await stripe.customers.create();
  const saved = await stripe.setupIntents.create({
    customer: customer.id,
    payment_method: "pm_card_visa",
    confirm: true,
    return_url: "http://app.test",
  });
  expect(saved.status).toBe("succeeded");
  expect((await stripe.customers.listPaymentMethods(customer.id)).data).toHaveLength(1);
  const asked = await stripe.setupIntents.create({
    customer: customer.id,
    payment_method: "pm_card_authenticationRequired",
    confirm: true,
    return_url: "http://app.test/back",
  });
  expect(asked).toMatchObject({ status: "requires_action", next_action: { type: "redirect_to_url" } });
  const answer = await emulator.fetch(
    new Request(asked.next_action?.redirect_to_url?.url ?? "", {
      method: "POST",
      body: new URLSearchParams({ answer: "yes" }),
    }),
  );
  expect(answer.headers.get("location")).toMatch(
    /^http:\/\/app\.test\/back\?setup_intent=seti_\w+&setup_intent_client_secret=\w+&redirect_status=succeeded$/,
  );
  expect((await stripe.setupIntents.retrieve(asked.id)).status).toBe("succeeded");
});

test("a subscription can be created, canceled at period end, and resumed", async () => {
  const { emulator, stripe } = createSdk();
  const { price, customer } = await subscriber(stripe);
  const subscription = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id }],
    expand: ["latest_invoice.payments"],
  });
  expect(subscription.status).toBe("active");
  const invoice = subscription.latest_invoice as Stripe.Invoice;
  expect(invoice).toMatchObject({
    status: "paid",
    amount_paid: 2_500,
    billing_reason: "subscription_create",
    lines: { data: [{ description: "1 × Premium (at $25.00 / month)", amount: 2_500 }] },
  });
  expect(invoice.payments?.data).toHaveLength(1);
  const canceling = await stripe.subscriptions.update(subscription.id, { cancel_at_period_end: true });
  expect(canceling).toMatchObject({
    cancel_at_period_end: true,
    cancel_at: canceling.items.data[0]?.current_period_end,
    cancellation_details: { reason: "cancellation_requested" },
  });
  expect(await stripe.subscriptions.update(subscription.id, { cancel_at_period_end: false })).toMatchObject({
    cancel_at: null,
  });
  await stripe.subscriptions.update(subscription.id, { cancel_at_period_end: true });
  await emulator.advance(29 * DAY);
  expect(await stripe.subscriptions.retrieve(subscription.id)).toMatchObject({ status: "canceled" });
});

test("the proration of a change from a monthly to a yearly plan is exact to the second", async () => {
  const { stripe, eventTypes } = createSdk();
  const { product, price, customer } = await subscriber(stripe);
  const yearly = await stripe.prices.create({
    product: product.id,
    unit_amount: 25_000,
    currency: "usd",
    recurring: { interval: "year" },
  });
  const subscription = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  const before = (await eventTypes()).length;
  const changed = await stripe.subscriptions.update(subscription.id, {
    items: [{ id: subscription.items.data[0]?.id ?? "", price: yearly.id }],
    proration_behavior: "always_invoice",
    expand: ["latest_invoice"],
  });
  expect(changed.billing_cycle_anchor).toBe(subscription.billing_cycle_anchor);
  const invoice = changed.latest_invoice as Stripe.Invoice;
  expect(invoice).toMatchObject({ billing_reason: "subscription_update", total: 22_500, status: "paid" });
  expect(invoice.lines.data.map(({ amount, description }) => [amount, description])).toEqual([
    [-2_500, "Unused time on Premium after 31 Jan 2026"],
    [25_000, "Remaining time on Premium after 31 Jan 2026"],
  ]);
  expect((await eventTypes()).slice(before)).toContain("customer.subscription.updated");
});

test("an invoice preview shows the next invoice and stores nothing", async () => {
  const { emulator, stripe } = createSdk();
  const { product, price, customer } = await subscriber(stripe);
  const dearer = await stripe.prices.create({
    product: product.id,
    unit_amount: 5_000,
    currency: "usd",
    recurring: { interval: "month" },
  });
  const subscription = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  await emulator.advance(14 * DAY);
  const next = await stripe.invoices.createPreview({ subscription: subscription.id });
  expect(next.lines.data.map(({ amount }) => amount)).toEqual([2_500]);
  const preview = await stripe.invoices.createPreview({
    subscription: subscription.id,
    subscription_details: {
      items: [{ id: subscription.items.data[0]?.id ?? "", price: dearer.id }],
      proration_behavior: "create_prorations",
    },
  });
  expect(preview.lines.data.map(({ amount }) => amount)).toEqual([-1_250, 2_500, 5_000]);
  expect((await stripe.invoices.list()).data).toHaveLength(1);
  expect((await stripe.invoiceItems.list()).data).toHaveLength(0);
});

test("advancing a test clock renews only the subscriptions of the clock's customers", async () => {
  const { emulator, stripe } = createSdk();
  const clock = await stripe.testHelpers.testClocks.create({ frozen_time: 1_767_225_600 });
  const { price, customer } = await subscriber(stripe, { testClock: clock.id });
  const subscription = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  expect(subscription.created).toBe(1_767_225_600);
  expect(
    await stripe.testHelpers.testClocks.advance(clock.id, { frozen_time: 1_767_225_600 + 32 * DAY }),
  ).toMatchObject({ status: "advancing" });
  expect((await stripe.testHelpers.testClocks.retrieve(clock.id)).status).toBe("ready");
  const invoices = await stripe.invoices.list({ customer: customer.id });
  expect(invoices.data.map(({ billing_reason: reason, status }) => [reason, status])).toEqual([
    ["subscription_cycle", "paid"],
    ["subscription_create", "paid"],
  ]);
  expect(emulator.now()).toBe(Date.UTC(2026, 0, 31, 12));
});

test("a request that repeats an idempotency key gets the stored response, or an error if its parameters differ", async () => {
  const { stripe } = createSdk();
  const first = await stripe.customers.create({ name: "Ada" }, { idempotencyKey: "key-1" });
  const again = await stripe.customers.create({ name: "Ada" }, { idempotencyKey: "key-1" });
  expect(again.id).toBe(first.id);
  expect((again.lastResponse.headers as unknown as Headers).get("idempotent-replayed")).toBe("true");
  expect(await refusal(stripe.customers.create({ name: "Bob" }, { idempotencyKey: "key-1" }))).toMatchObject({
    statusCode: 400,
    type: "StripeIdempotencyError",
  });
  expect((await stripe.customers.list()).data).toHaveLength(1);
});

test("a subscription is incomplete if its first payment is declined, and expires after 23 hours", async () => {
  const { emulator, stripe } = createSdk();
  const { price, customer } = await subscriber(stripe, { card: "pm_card_chargeCustomerFail" });
  const subscription = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  expect(subscription.status).toBe("incomplete");
  expect(
    await refusal(
      stripe.subscriptions.create({
        customer: customer.id,
        items: [{ price: price.id }],
        payment_behavior: "error_if_incomplete",
      }),
    ),
  ).toMatchObject({
    statusCode: 402,
    code: "card_declined",
    decline_code: "generic_decline",
  });
  expect((await stripe.subscriptions.list({ status: "all" })).data).toHaveLength(1);
  await emulator.advance(DAY);
  expect((await stripe.subscriptions.retrieve(subscription.id)).status).toBe("incomplete_expired");
  expect((await stripe.invoices.list()).data[0]?.status).toBe("void");
});

test("a first payment that waits for 3-D Secure does not count as a failed payment", async () => {
  const { emulator, stripe } = createSdk();
  const { price, customer } = await subscriber(stripe, { card: "pm_card_authenticationRequired" });
  const subscription = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id }],
  });
  const invoice = await stripe.invoices.retrieve(subscription.latest_invoice as string, {
    expand: ["confirmation_secret", "payments.data.payment.payment_intent"],
  });
  expect(subscription.status).toBe("incomplete");
  expect(invoice).toMatchObject({ status: "open", attempted: true, attempt_count: 0 });
  const intent = invoice.payments?.data[0]?.payment.payment_intent as Stripe.PaymentIntent;
  expect(intent.status).toBe("requires_action");
  expect(invoice.confirmation_secret?.client_secret).toBe(intent.client_secret);
  await authenticate({ emulator }, intent.next_action);
  expect((await stripe.subscriptions.retrieve(subscription.id)).status).toBe("active");
});

test("a charge can be refunded in parts, up to its full amount", async () => {
  const { emulator, stripe } = createSdk();
  const { customer, method } = await subscriber(stripe);
  const intent = await stripe.paymentIntents.create({
    amount: 3_000,
    currency: "usd",
    customer: customer.id,
    payment_method: method.id,
    confirm: true,
    return_url: "http://app.test",
  });
  const charge = intent.latest_charge as string;
  await stripe.refunds.create({ charge, amount: 1_000 });
  await stripe.refunds.create({ payment_intent: intent.id });
  await emulator.advance(5);
  expect(await stripe.charges.retrieve(charge, { expand: ["refunds", "balance_transaction"] })).toMatchObject({
    amount_refunded: 3_000,
    refunded: true,
    refunds: { data: [{ amount: 2_000 }, { amount: 1_000 }] },
    balance_transaction: { fee: 117, net: 2_883 },
  });
  expect(await refusal(stripe.refunds.create({ charge }))).toMatchObject({ code: "charge_already_refunded" });
});

test("a coupon and a promotion code reduce invoices until they expire", async () => {
  const { stripe } = createSdk();
  const { price, customer } = await subscriber(stripe);
  const coupon = await stripe.coupons.create({ percent_off: 10, duration: "once" });
  const code = await stripe.promotionCodes.create({
    promotion: { type: "coupon", coupon: coupon.id },
    code: "TENOFF",
    max_redemptions: 1,
  });
  const make = () =>
    stripe.subscriptions.create({
      customer: customer.id,
      items: [{ price: price.id }],
      discounts: [{ promotion_code: code.id }],
      expand: ["latest_invoice.total_discount_amounts.discount"],
    });
  const { latest_invoice: latest } = await make();
  expect(latest).toMatchObject({
    subtotal: 2_500,
    total: 2_250,
    total_discount_amounts: [{ amount: 250, discount: { source: { coupon: coupon.id }, promotion_code: code.id } }],
  });
  expect((await refusal(make())).statusCode).toBe(400);
  expect((await stripe.coupons.retrieve(coupon.id)).times_redeemed).toBe(1);
});

test("the page of a portal session offers the actions that its configuration allows", async () => {
  const { emulator, stripe } = createSdk();
  const { price, customer } = await subscriber(stripe);
  await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  const configuration = await stripe.billingPortal.configurations.create({
    features: { subscription_cancel: { enabled: true, mode: "immediately" } },
  });
  const session = await stripe.billingPortal.sessions.create({
    customer: customer.id,
    configuration: configuration.id,
    return_url: "http://app.test/back",
  });
  const page = await (await emulator.fetch(new Request(session.url))).text();
  expect(page).toContain("Cancel subscription");
  expect(page).not.toContain("Change plan");
});

test("a customer's active entitlements are the features of the subscribed products", async () => {
  const { stripe, eventTypes } = createSdk();
  const { product, price, customer } = await subscriber(stripe);
  const feature = await stripe.entitlements.features.create({ name: "Exports", lookup_key: "exports" });
  await stripe.products.createFeature(product.id, { entitlement_feature: feature.id });
  const subscription = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  const active = () => stripe.entitlements.activeEntitlements.list({ customer: customer.id });
  expect((await active()).data.map(({ lookup_key: key }) => key)).toEqual(["exports"]);
  await stripe.subscriptions.cancel(subscription.id);
  expect((await active()).data).toEqual([]);
  expect(
    (await eventTypes()).filter((type) => type === "entitlements.active_entitlement_summary.updated"),
  ).toHaveLength(2);
});

test("metered usage is invoiced at the end of its billing period", async () => {
  const { emulator, stripe } = createSdk();
  const { product, customer } = await subscriber(stripe);
  const meter = await stripe.billing.meters.create({
    display_name: "Calls",
    event_name: "calls",
    default_aggregation: { formula: "sum" },
  });
  const price = await stripe.prices.create({
    product: product.id,
    unit_amount: 3,
    currency: "usd",
    recurring: { interval: "month", usage_type: "metered", meter: meter.id },
  });
  const subscription = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  for (const value of ["10", "32"])
    await stripe.billing.meterEvents.create({
      event_name: "calls",
      payload: { stripe_customer_id: customer.id, value },
    });
  const at = Math.floor(emulator.now() / 1000);
  const summary = await stripe.billing.meters.listEventSummaries(meter.id, {
    customer: customer.id,
    start_time: at - 60,
    end_time: at + 60,
  });
  expect(summary.data).toMatchObject([{ aggregated_value: 42 }]);
  await emulator.advance(29 * DAY);
  const [renewal] = (await stripe.invoices.list({ subscription: subscription.id })).data;
  expect(renewal).toMatchObject({
    total: 126,
    billing_reason: "subscription_cycle",
    lines: { data: [{ quantity: 42 }] },
  });
});

test("lists can be paged forward, backward and by time, and search results can be paged", async () => {
  const { emulator, stripe } = createSdk();
  const made: string[] = [];
  for (let at = 0; at < 25; at++) {
    made.push((await stripe.customers.create({ name: `c${at}`, metadata: { all: "yes" } })).id);
    await emulator.advance(60);
  }
  const first = await stripe.customers.list({ limit: 10 });
  expect(first).toMatchObject({ has_more: true, url: "/v1/customers" });
  expect(first.data.map(({ id }) => id)).toEqual(made.slice(15).toReversed());
  const back = await stripe.customers.list({ limit: 10, ending_before: made[10] ?? "" });
  expect(back.data.map(({ id }) => id)).toEqual(made.slice(11, 21).toReversed());
  const times = first.data.map(({ created }) => created);
  expect((await stripe.customers.list({ created: { lt: times.at(-1) ?? 0 }, limit: 100 })).data).toHaveLength(15);
  expect(await stripe.customers.list({ limit: 7 }).autoPagingToArray({ limit: 100 })).toHaveLength(25);
  expect(
    await stripe.customers.search({ query: "metadata['all']:'yes'", limit: 10 }).autoPagingToArray({ limit: 100 }),
  ).toHaveLength(25);
});

test("a list continues after its cursor even if the cursor's object no longer matches the list's filter", async () => {
  const { stripe } = createSdk();
  const email = "a@example.com";
  const [oldest, middle, newest] = [
    await stripe.customers.create({ email }),
    await stripe.customers.create({ email }),
    await stripe.customers.create({ email }),
  ];
  const first = await stripe.customers.list({ email, limit: 1 });
  expect(first).toMatchObject({ data: [{ id: newest.id }], has_more: true });
  await stripe.customers.update(newest.id, { email: "b@example.com" });
  const rest = await stripe.customers.list({ email, starting_after: newest.id });
  expect(rest.data.map(({ id }) => id)).toEqual([middle.id, oldest.id]);
});

test("the pages of a list together contain every object, even if creation times are out of order because of test clocks", async () => {
  const { stripe } = createSdk();
  const ahead = Math.floor(Date.now() / 1000) + 1_000 * DAY;
  const { id: clock } = await stripe.testHelpers.testClocks.create({ frozen_time: ahead });
  const ids: string[] = [];
  for (let index = 0; index < 12; index += 1)
    ids.push((await stripe.customers.create(index % 3 === 0 ? { test_clock: clock } : {})).id);
  const listed = async (params: Stripe.CustomerListParams) =>
    (await stripe.customers.list({ ...params, limit: 1 }).autoPagingToArray({ limit: 100 })).map(({ id }) => id);
  expect(await listed({ test_clock: clock })).toEqual(ids.filter((_, index) => index % 3 === 0).toReversed());
  expect(await listed({})).toEqual(ids.filter((_, index) => index % 3 !== 0).toReversed());
});

test("events can be listed by a time range, even with a cursor outside the range", async () => {
  const { emulator, stripe } = createSdk();
  for (let day = 0; day < 4; day++) {
    await stripe.customers.create({ name: `c${day}` });
    await emulator.advance(DAY);
  }
  const all = (await stripe.events.list()).data;
  const [last, third, second, first] = all as [Stripe.Event, Stripe.Event, Stripe.Event, Stripe.Event];
  const list = async (params: Stripe.EventListParams) => (await stripe.events.list(params)).data.map(({ id }) => id);
  expect(await list({ created: { gte: second.created, lt: last.created } })).toEqual([third.id, second.id]);
  expect(await list({ created: { gt: second.created, lte: last.created } })).toEqual([last.id, third.id]);
  expect(await list({ created: { gte: third.created }, ending_before: first.id })).toEqual([last.id, third.id]);
  expect(await list({ created: { lt: third.created }, starting_after: last.id })).toEqual([second.id, first.id]);
  await emulator.advance(27 * DAY);
  expect(await list({ created: { gt: 0 } })).toEqual([last.id, third.id]);
});

test("invalid requests are rejected with Stripe's error messages", async () => {
  const { stripe, as } = createSdk();
  const unknown = { nonsense: "1" } as unknown as Stripe.CustomerCreateParams;
  expect(await refusal(stripe.customers.create(unknown))).toMatchObject({
    statusCode: 400,
    code: "parameter_unknown",
    param: "nonsense",
    message: "Received unknown parameter: nonsense",
  });
  expect(await refusal(stripe.customers.retrieve("cus_none"))).toMatchObject({
    statusCode: 404,
    code: "resource_missing",
    message: "No such customer: 'cus_none'",
  });
  const missing = { customer: "cus_none", items: [{ price: "price_none" }] };
  expect(await refusal(stripe.subscriptions.create(missing))).toMatchObject({
    statusCode: 400,
    code: "resource_missing",
  });
  expect(await refusal(stripe.products.create({} as Stripe.ProductCreateParams))).toMatchObject({
    code: "parameter_missing",
    param: "name",
  });
  expect(await refusal(as("sk_live_123").customers.list())).toMatchObject({
    statusCode: 401,
    type: "StripeAuthenticationError",
  });
  expect(await refusal(as("pk_test_123").customers.list())).toMatchObject({ statusCode: 401 });
  expect(await refusal(stripe.terminal.readers.list())).toMatchObject({ statusCode: 501 });
});

test("each API key has a separate account with its own data", async () => {
  const { stripe, as } = createSdk();
  const { id } = await stripe.customers.create();
  const other = as("sk_test_other");
  expect((await other.customers.list()).data).toEqual([]);
  expect(await refusal(other.customers.retrieve(id))).toMatchObject({ statusCode: 404 });
  expect((await as("rk_test_123").customers.list()).data).toHaveLength(1);
});

test("subscriptions can be filtered by the start and end of their current period", async () => {
  const { emulator, stripe } = createSdk();
  const { customer, price } = await subscriber(stripe);
  const items = [{ price: price.id }];
  const first = await stripe.subscriptions.create({ customer: customer.id, items });
  await emulator.advance(10 * DAY);
  const second = await stripe.subscriptions.create({ customer: customer.id, items });
  await emulator.advance(21 * DAY);
  const ids = async (params: Stripe.SubscriptionListParams) =>
    (await stripe.subscriptions.list(params)).data.map(({ id }) => id);
  const renewedAt = first.items.data[0]?.current_period_end ?? 0;
  expect(await ids({ current_period_start: { gte: renewedAt } })).toEqual([first.id]);
  expect(await ids({ current_period_start: { lt: renewedAt } })).toEqual([second.id]);
  expect(await ids({ current_period_end: { lt: renewedAt + 15 * DAY } })).toEqual([second.id]);
});
