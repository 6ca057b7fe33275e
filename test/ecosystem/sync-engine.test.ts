/** `@stripe/sync-engine` as it is published: what PostgreSQL holds is what the emulator answers. */
import type Stripe from "stripe";
import { describe, expect, test } from "vitest";
import { createSyncApp, DAY, type SyncApp } from "./sync-app.ts";

describe("webhooks", () => {
  test("a purchase is in its tables", async () => {
    const app = await createSyncApp();
    await app.receive();
    const { subscription } = await purchase(app);
    await app.emulator.settle();
    await app.expectSame();
    expect((await app.table("subscriptions")).get(subscription)).toMatchObject({ status: "active" });
    expect([...(await app.table("invoices")).values()]).toMatchObject([{ status: "paid", amount_paid: 900 }]);
    expect(await app.table("subscription_items")).toHaveLength(1);
    expect(app.emulator.deliveries().filter(({ state }) => state !== "delivered")).toEqual([]);
    expect(app.errors).toEqual([]);
  });
});

interface Purchase {
  customer: string;
  subscription: string;
  price: string;
}

/** Bought on the checkout page, as people do. */
async function purchase({ stripe, emulator }: SyncApp, card = "pm_card_visa"): Promise<Purchase> {
  const product = await stripe.products.create({ name: "Premium" });
  const price = await stripe.prices.create({
    product: product.id,
    unit_amount: 900,
    currency: "usd",
    recurring: { interval: "month" },
  });
  const session = await stripe.checkout.sessions.create({
    mode: "subscription",
    line_items: [{ price: price.id, quantity: 1 }],
    customer_email: "ada@example.com",
    success_url: "http://app.test/welcome",
  });
  const body = new URLSearchParams({ payment_method: card });
  const paid = await emulator.fetch(
    new Request(`http://stripe.test/v1/payment_pages/${session.id}/confirm`, { method: "POST", body }),
  );
  expect(paid.status).toBe(200);
  const done = (await stripe.checkout.sessions.retrieve(session.id)) as Stripe.Checkout.Session;
  return { customer: String(done.customer), subscription: String(done.subscription), price: price.id };
}
