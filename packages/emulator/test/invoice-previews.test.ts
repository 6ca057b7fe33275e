/** Checks that an invoice preview equals the invoice that follows, and that a preview changes nothing. */
import type Stripe from "stripe";
import { expect, test } from "vitest";
import { createSdk, DAY, refusal, type Sdk, subscriber } from "./support/sdk.ts";

const HOUR = 3_600;

type Preview = Stripe.InvoiceCreatePreviewParams;

/** The parts of an invoice that decide the payment, without IDs. */
function moneyOf(invoice: Stripe.Invoice) {
  const { amount_due, currency, ending_balance, starting_balance, subtotal, total, total_taxes } = invoice;
  const lines = invoice.lines.data.map(({ amount, description, discount_amounts, period, quantity, taxes }) => ({
    amount,
    description,
    discounts: discount_amounts?.map((discount) => discount.amount),
    period,
    quantity,
    taxes: taxes?.map((tax) => tax.amount),
  }));
  return { amount_due, currency, ending_balance, starting_balance, subtotal, total, taxes: total_taxes?.length, lines };
}

async function setUp(sdk: Sdk) {
  const { stripe } = sdk;
  const { product, price, customer } = await subscriber(stripe);
  const recurring = (interval: "week" | "month" | "year", amount: number) =>
    stripe.prices.create({
      product: product.id,
      unit_amount: amount,
      currency: "usd",
      recurring: { interval },
    });
  const [dearer, yearly] = [await recurring("month", 5_000), await recurring("year", 25_000)];
  const coupon = await stripe.coupons.create({ percent_off: 30, duration: "forever" });
  return { product, price, dearer, yearly, customer, coupon };
}

/** Previews an invoice, then makes the change. Returns the amounts of the preview and of the invoice that follows. */
async function previewAndAct(
  sdk: Sdk,
  params: Preview,
  act: (stripe: Stripe) => Promise<{ latest_invoice: unknown } | null>,
) {
  const preview = moneyOf(await sdk.stripe.invoices.createPreview(params));
  const before = (await sdk.stripe.invoices.list({ limit: 100 })).data.length;
  await act(sdk.stripe);
  let invoices = (await sdk.stripe.invoices.list({ limit: 100 })).data;
  for (let day = 0; invoices.length === before && day < 400; day += 1) {
    await sdk.emulator.advance(DAY);
    invoices = (await sdk.stripe.invoices.list({ limit: 100 })).data;
  }
  const [draft] = invoices;
  if (draft?.status === "draft") await sdk.emulator.advance(2 * HOUR);
  return { preview, invoice: moneyOf(await sdk.stripe.invoices.retrieve(draft?.id ?? "")) };
}

/** @see https://docs.stripe.com/api/invoices/create_preview */
test("the preview of a new subscription equals its first invoice", async () => {
  const sdk = createSdk();
  const { dearer, customer, coupon } = await setUp(sdk);
  const items = [{ price: dearer.id, quantity: 3 }];
  const { preview, invoice } = await previewAndAct(
    sdk,
    { customer: customer.id, subscription_details: { items }, discounts: [{ coupon: coupon.id }] },
    (stripe) => stripe.subscriptions.create({ customer: customer.id, items, discounts: [{ coupon: coupon.id }] }),
  );
  expect(invoice).toEqual(preview);
});

/** @see https://docs.stripe.com/api/invoices/create_preview#create_create_preview-subscription_details-trial_end */
test("the preview of a new subscription with a trial shows the invoice of the trial", async () => {
  const sdk = createSdk();
  const { price, customer } = await setUp(sdk);
  const trialEnd = Math.floor(sdk.emulator.now() / 1000) + 14 * DAY;
  const items = [{ price: price.id }];
  const { preview, invoice } = await previewAndAct(
    sdk,
    { customer: customer.id, subscription_details: { items, trial_end: trialEnd } },
    (stripe) => stripe.subscriptions.create({ customer: customer.id, items, trial_end: trialEnd }),
  );
  expect(invoice).toEqual(preview);
});

type Change = Omit<NonNullable<Preview["subscription_details"]>, "items" | "billing_cycle_anchor">;

/** @see https://docs.stripe.com/billing/subscriptions/prorations#preview-proration */
test.each<[string, Change & { to?: "dearer" | "yearly"; quantity?: number }]>([
  ["a dearer price", { to: "dearer" }],
  ["a dearer price that is invoiced at once", { to: "dearer", proration_behavior: "always_invoice" }],
  ["a dearer price without prorations", { to: "dearer", proration_behavior: "none" }],
  ["a yearly price", { to: "yearly" }],
  ["a yearly price that is invoiced at once", { to: "yearly", proration_behavior: "always_invoice" }],
  ["a smaller quantity", { quantity: 1 }],
  ["an immediate end of the trial", { trial_end: "now" }],
  ["new metadata", { metadata: { a: "b" } }],
])("the preview of a change equals the invoice after the change: %s", async (_name, { to, quantity, ...rest }) => {
  for (const trial of [undefined, 40]) {
    const sdk = createSdk();
    const { stripe } = sdk;
    const prices = await setUp(sdk);
    const subscription = await stripe.subscriptions.create({
      customer: prices.customer.id,
      items: [{ price: prices.price.id, quantity: 2 }],
      ...(trial !== undefined && { trial_period_days: trial }),
    });
    await sdk.emulator.advance(11 * DAY + 12_345);
    const items = [
      {
        id: subscription.items.data[0]?.id ?? "",
        ...(to && { price: prices[to].id, quantity: 2 }),
        ...(quantity !== undefined && { quantity }),
      },
    ];
    const { preview, invoice } = await previewAndAct(
      sdk,
      { subscription: subscription.id, subscription_details: { items, ...rest } },
      (client) =>
        client.subscriptions.update(subscription.id, {
          items,
          ...(rest as Stripe.SubscriptionUpdateParams),
        }),
    );
    expect(invoice).toEqual(preview);
  }
});

/** @see https://docs.stripe.com/api/invoices/create_preview */
test("a preview writes nothing: no coupon is redeemed, no timer is set, and later IDs are the same", async () => {
  const sdk = createSdk();
  const { stripe, emulator } = sdk;
  const { dearer, customer, coupon, price } = await setUp(sdk);
  const subscription = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  await emulator.advance(9 * DAY);
  const other = emulator.fork();
  const state = () => ({
    events: emulator.events().length,
    next: emulator.nextDueAt(),
    now: emulator.now(),
    invoices: emulator.snapshot().accounts.size,
  });
  const before = state();
  const previews: Preview[] = [
    { subscription: subscription.id },
    {
      customer: customer.id,
      subscription_details: { items: [{ price: dearer.id }] },
      discounts: [{ coupon: coupon.id }],
    },
    { subscription: subscription.id, subscription_details: { cancel_now: true }, discounts: [{ coupon: coupon.id }] },
    {
      subscription: subscription.id,
      subscription_details: {
        items: [{ id: subscription.items.data[0]?.id ?? "", price: dearer.id }],
        proration_behavior: "always_invoice",
      },
      invoice_items: [{ amount: 700, currency: "usd", description: "Setup" }],
    },
  ];
  for (const preview of previews) await stripe.invoices.createPreview(preview);
  expect(state()).toEqual(before);
  expect(await stripe.coupons.retrieve(coupon.id)).toMatchObject({ times_redeemed: 0, valid: true });
  expect((await stripe.invoices.list()).data).toHaveLength(1);
  expect((await stripe.invoiceItems.list()).data).toEqual([]);
  await emulator.advance(40 * DAY);
  await other.advance(40 * DAY);
  const shape = (events: readonly { type: string; created: number }[]) =>
    events.map(({ type, created }) => [type, created]);
  expect(shape(emulator.events())).toEqual(shape(other.events()));
});

/** @see https://docs.stripe.com/error-codes#invoice-upcoming-none */
test("a subscription that ends with its period has no upcoming invoice", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const { price, customer } = await setUp(sdk);
  const subscription = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  const none = {
    statusCode: 404,
    code: "invoice_upcoming_none",
    message: `No upcoming invoices for customer: ${customer.id}`,
  };
  const preview = { subscription: subscription.id, subscription_details: { cancel_at_period_end: true } };
  expect(await refusal(stripe.invoices.createPreview(preview))).toMatchObject(none);
  await stripe.subscriptions.update(subscription.id, { cancel_at_period_end: true });
  expect(await refusal(stripe.invoices.createPreview({ subscription: subscription.id }))).toMatchObject(none);
  expect(await refusal(stripe.invoices.createPreview({ customer: customer.id }))).toMatchObject(none);
});

/** @see node_modules/stripe/esm/resources/Invoices.d.ts, `InvoiceCreatePreviewParams.subscription` */
test("without a subscription, the preview shows the next invoice among the customer's subscriptions", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const { price, yearly, customer } = await setUp(sdk);
  await stripe.subscriptions.create({ customer: customer.id, items: [{ price: yearly.id }] });
  await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  const preview = await stripe.invoices.createPreview({ customer: customer.id });
  expect(preview).toMatchObject({ total: 2_500, billing_reason: "upcoming", status: "draft", number: null });
  expect(preview.id).toMatch(/^upcoming_in_/);
});

/** @see node_modules/stripe/esm/resources/Invoices.d.ts, `InvoiceCreatePreviewParams.invoice_items` */
test("a preview contains pending and given invoice items", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const { price, customer } = await setUp(sdk);
  const pending = await stripe.invoiceItems.create({ customer: customer.id, amount: 300, currency: "usd" });
  expect(await stripe.invoices.createPreview({ customer: customer.id })).toMatchObject({ total: 300 });
  await stripe.invoiceItems.del(pending.id);
  await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  const preview = await stripe.invoices.createPreview({
    customer: customer.id,
    invoice_items: [{ amount: 700, currency: "usd", description: "Setup" }],
  });
  expect(preview.lines.data.map(({ amount }) => amount)).toEqual([700, 2_500]);
});

/** @see node_modules/stripe/esm/resources/Invoices.d.ts, `SubscriptionDetails.cancel_now` */
test("the preview of an immediate cancellation shows the credit for the unused time", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const { price, customer } = await setUp(sdk);
  const subscription = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  await sdk.emulator.advance(14 * DAY);
  const { preview, invoice } = await previewAndAct(
    sdk,
    { subscription: subscription.id, subscription_details: { cancel_now: true } },
    (client) => client.subscriptions.cancel(subscription.id, { invoice_now: true, prorate: true }),
  );
  expect(invoice).toEqual(preview);
});

/** @see node_modules/stripe/esm/resources/Invoices.d.ts, `InvoiceCreatePreviewParams.schedule_details` */
test("the preview of a schedule equals the invoice of its next phase", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const { price, dearer, customer } = await setUp(sdk);
  const phases = [{ items: [{ price: dearer.id, quantity: 2 }] }];
  const started = await stripe.invoices.createPreview({ customer: customer.id, schedule_details: { phases } });
  expect(started).toMatchObject({ total: 10_000 });
  const subscription = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  const schedule = await stripe.subscriptionSchedules.create({ from_subscription: subscription.id });
  const [current] = schedule.phases;
  const wanted = [
    { items: [{ price: price.id }], start_date: current?.start_date ?? 0, end_date: current?.end_date ?? 0 },
    ...phases,
  ];
  const { preview, invoice } = await previewAndAct(
    sdk,
    { schedule: schedule.id, schedule_details: { phases: wanted } },
    async (client) => {
      await client.subscriptionSchedules.update(schedule.id, { phases: wanted });
      return null;
    },
  );
  expect(invoice).toEqual(preview);
});

/** @see node_modules/stripe/esm/resources/Invoices.d.ts, `SubscriptionDetails.resume_at` */
test("the preview of a resumed subscription equals the invoice of its resumption", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const { price, customer } = await setUp(sdk);
  const subscription = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  await stripe.subscriptions.pause(subscription.id);
  await sdk.emulator.advance(5 * DAY);
  const { preview, invoice } = await previewAndAct(
    sdk,
    { subscription: subscription.id, subscription_details: { resume_at: "now" } },
    (client) => client.subscriptions.resume(subscription.id),
  );
  expect(invoice).toEqual(preview);
});

test("a preview that the emulator can't make is refused with 501", async () => {
  const sdk = createSdk();
  const { price, customer } = await setUp(sdk);
  const items = [{ price: price.id }];
  for (const given of [
    { preview_mode: "recurring" as const },
    { subscription_details: { items, start_date: Math.floor(sdk.emulator.now() / 1000) + DAY } },
  ])
    expect(await refusal(sdk.stripe.invoices.createPreview({ customer: customer.id, ...given }))).toMatchObject({
      statusCode: 501,
    });
});
