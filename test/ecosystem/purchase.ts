/** Buys subscriptions on the checkout page. */
import { expect } from "vitest";
import type { Emulator } from "../../packages/emulator/src/index.ts";
import type { SyncApp } from "./sync-app.ts";

export interface Purchase {
  customer: string;
  subscription: string;
  price: string;
}

/** Buys a subscription on the checkout page, as users do. */
export async function purchase(
  { stripe, emulator }: Pick<SyncApp, "stripe" | "emulator">,
  { trialDays = 0 } = {},
): Promise<Purchase> {
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
    ...(trialDays > 0 && { subscription_data: { trial_period_days: trialDays } }),
    customer_email: "ada@example.com",
    success_url: "http://app.test/welcome",
  });
  await payOnPage(emulator, session.id);
  const done = await stripe.checkout.sessions.retrieve(session.id);
  return { customer: idOf(done.customer), subscription: idOf(done.subscription), price: price.id };
}

/** Sends the form of a checkout page with a card. */
export async function payOnPage(emulator: Emulator, session: string, card = "pm_card_visa"): Promise<void> {
  const body = new URLSearchParams({ payment_method: card });
  const paid = await emulator.fetch(
    new Request(`http://stripe.test/v1/payment_pages/${session}/confirm`, { method: "POST", body }),
  );
  expect(paid.status).toBe(200);
}

function idOf(link: string | { id: string } | null): string {
  return typeof link === "string" ? link : (link?.id ?? "");
}
