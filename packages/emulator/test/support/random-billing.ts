/** Builds random accounts and random subscription changes, for tests of properties. */
import fc from "fast-check";
import type Stripe from "stripe";
import { createEmulator, type Emulator } from "../../src/index.ts";
import { connect, DAY } from "./sdk.ts";

const CURRENCIES = ["usd", "eur", "jpy"] as const;
type Currency = (typeof CURRENCIES)[number];
const DIGITS: Record<Currency, number> = { usd: 2, eur: 2, jpy: 0 };

export const anyPrice = fc.record({
  amount: fc.oneof(fc.constantFrom(0, 100, 999, 3_333), fc.integer({ min: 100, max: 99_999 })),
  interval: fc.constantFrom("week" as const, "month" as const, "year" as const),
  scheme: fc.constantFrom("per_unit" as const, "graduated" as const, "volume" as const),
  inclusive: fc.boolean(),
});
export type AnyPrice = typeof anyPrice extends fc.Arbitrary<infer Value> ? Value : never;

export const anyCoupon = fc.record({
  off: fc.oneof(
    fc.record({ percent_off: fc.constantFrom(10, 33.3, 100) }),
    fc.record({ amount_off: fc.integer({ min: 1, max: 5_000 }) }),
  ),
  duration: fc.constantFrom("once" as const, "forever" as const, "repeating" as const),
});
export type AnyCoupon = typeof anyCoupon extends fc.Arbitrary<infer Value> ? Value : never;

export const anyWorld = fc.record({
  startAt: fc.integer({ min: Date.UTC(2024, 0, 1) / 1_000, max: Date.UTC(2029, 0, 1) / 1_000 }),
  currency: fc.constantFrom(...CURRENCIES),
  prices: fc.array(anyPrice, { minLength: 3, maxLength: 3 }),
  coupon: fc.option(anyCoupon, { nil: null }),
  country: fc.constantFrom("DE", "FR", "US"),
  automaticTax: fc.boolean(),
  trialDays: fc.constantFrom(0, 0, 0, 3, 14),
  quantity: fc.integer({ min: 1, max: 7 }),
});
export type AnyWorld = typeof anyWorld extends fc.Arbitrary<infer Value> ? Value : never;

export const anyChange = fc.record({
  waitSeconds: fc.integer({ min: 0, max: 20 * DAY }),
  kind: fc.constantFrom(
    "price",
    "quantity",
    "add",
    "remove",
    "anchor",
    "trial",
    "end_trial",
    "coupon",
    "cancel_at",
    "cancel_at_end",
    "stay",
  ),
  price: fc.integer({ min: 0, max: 2 }),
  quantity: fc.integer({ min: 1, max: 9 }),
  proration: fc.constantFrom("always_invoice" as const, "create_prorations" as const, "none" as const),
});
export type AnyChange = typeof anyChange extends fc.Arbitrary<infer Value> ? Value : never;

export interface World {
  emulator: Emulator;
  stripe: Stripe;
  customer: string;
  prices: string[];
  coupon: string | null;
  /** The parameters of the first subscription. */
  start: Stripe.SubscriptionCreateParams;
}

/** Creates an account with prices in two currencies, a coupon, a taxed customer and a card. */
export async function createWorld(world: AnyWorld): Promise<World> {
  const startAt = world.startAt * 1_000;
  const tax = { country: "DE", default_behavior: "exclusive" as const, rates: TAX_RATES };
  const emulator = createEmulator({ startAt, wallNow: () => emulator.now(), checkResponses: true, strict: true, tax });
  const stripe = connect(emulator, "sk_test_123");
  const prices: string[] = [];
  for (const price of world.prices) prices.push(await createPrice(stripe, price));
  const coupon = world.coupon && (await createCoupon(stripe, world.coupon, world.currency));
  const customer = await stripe.customers.create({ address: addressIn(world.country) });
  const { id } = await stripe.paymentMethods.attach("pm_card_visa", { customer: customer.id });
  await stripe.customers.update(customer.id, { invoice_settings: { default_payment_method: id } });
  const start: Stripe.SubscriptionCreateParams = {
    customer: customer.id,
    currency: world.currency,
    items: [{ price: prices[0] ?? "", quantity: world.quantity }],
    ...(world.automaticTax && { automatic_tax: { enabled: true } }),
    ...(coupon !== null && { discounts: [{ coupon }] }),
    ...(world.trialDays > 0 && { trial_end: world.startAt + world.trialDays * DAY }),
  };
  return { emulator, stripe, customer: customer.id, prices, coupon, start };
}

const TAX_RATES = [
  { country: "DE", percentage: 19, display_name: "VAT" },
  { country: "FR", percentage: 5.5, display_name: "VAT" },
];

function addressIn(country: string): Stripe.AddressParam {
  return country === "US"
    ? { country, line1: "1 Main Street", city: "New York", state: "NY", postal_code: "10001" }
    : { country, line1: "1 Main Street", city: "City", postal_code: "12345" };
}

async function createPrice(stripe: Stripe, price: AnyPrice): Promise<string> {
  const product = await stripe.products.create({ name: `Plan ${price.amount}` });
  const amountIn = (currency: Currency): number => Math.round(price.amount * 10 ** (DIGITS[currency] - 2));
  const priced = (currency: Currency) =>
    price.scheme === "per_unit"
      ? { unit_amount: amountIn(currency) }
      : {
          tiers: [
            { up_to: 3, unit_amount: amountIn(currency) },
            { up_to: "inf" as const, unit_amount: amountIn(currency) },
          ],
        };
  const behavior = { tax_behavior: price.inclusive ? ("inclusive" as const) : ("exclusive" as const) };
  const created = await stripe.prices.create({
    product: product.id,
    currency: "usd",
    recurring: { interval: price.interval },
    ...behavior,
    ...priced("usd"),
    ...(price.scheme !== "per_unit" && { billing_scheme: "tiered" as const, tiers_mode: price.scheme }),
    currency_options: { eur: { ...behavior, ...priced("eur") }, jpy: { ...behavior, ...priced("jpy") } },
  });
  return created.id;
}

async function createCoupon(stripe: Stripe, { off, duration }: AnyCoupon, currency: Currency): Promise<string> {
  const coupon = await stripe.coupons.create({
    duration,
    ...(duration === "repeating" && { duration_in_months: 2 }),
    ...("percent_off" in off ? off : { ...off, currency }),
  });
  return coupon.id;
}

/** The same change as parameters of an update and as parameters of a preview. Null if the change is not possible now. */
export interface PlannedChange {
  update: Stripe.SubscriptionUpdateParams;
  details: Stripe.InvoiceCreatePreviewParams.SubscriptionDetails;
  discounts?: Stripe.SubscriptionUpdateParams["discounts"];
}

/** The number of days of which a change's quantity is a multiple, for changes that set a time. */
const CHANGE_DAYS = 5;

export function planChange(
  { prices, coupon, emulator }: World,
  change: AnyChange,
  now: Stripe.Subscription,
): PlannedChange | null {
  const at = emulator.now();
  const items = itemsOf(prices, change, now);
  if (change.kind === "coupon") {
    if (coupon === null || now.discounts.length > 0) return null;
    return { update: { discounts: [{ coupon }] }, details: {}, discounts: [{ coupon }] };
  }
  const proration = { proration_behavior: change.proration };
  const later = Math.floor(at / 1_000) + change.quantity * CHANGE_DAYS * DAY;
  if (change.kind === "trial") return same({ trial_end: later, ...proration });
  if (change.kind === "cancel_at") return same({ cancel_at: later, ...proration });
  if (change.kind === "stay") return same({ cancel_at: null, ...proration });
  if (change.kind === "end_trial")
    return now.status === "trialing" ? same({ trial_end: "now" as const, ...proration }) : null;
  if (change.kind === "cancel_at_end") return same({ cancel_at_period_end: !now.cancel_at_period_end });
  if (change.kind === "anchor") {
    const anchor = { type: "now" as const };
    return now.status === "trialing" ? null : same({ billing_cycle_anchor: anchor, ...proration });
  }
  return items && same({ items, ...proration });
}

function same(
  params: Stripe.SubscriptionUpdateParams & Stripe.InvoiceCreatePreviewParams.SubscriptionDetails,
): PlannedChange {
  return { update: params, details: params };
}

type ItemChange = { id?: string; price?: string; quantity?: number; deleted?: boolean };

function itemsOf(prices: readonly string[], change: AnyChange, now: Stripe.Subscription): ItemChange[] | null {
  const [first, second] = now.items.data;
  const price = prices[change.price] ?? "";
  const isUsed = now.items.data.some((item) => item.price.id === price);
  switch (change.kind) {
    case "price":
      return first && !isUsed ? [{ id: first.id, price, quantity: change.quantity }] : null;
    case "quantity":
      return first ? [{ id: first.id, quantity: change.quantity }] : null;
    case "add":
      return isUsed ? null : [{ price, quantity: change.quantity }];
    case "remove":
      return second ? [{ id: second.id, deleted: true }] : null;
    default:
      return null;
  }
}

/** Returns an independent copy of an account. */
export function forkOf({ emulator }: World): Pick<World, "emulator" | "stripe"> {
  const copy = emulator.fork();
  return { emulator: copy, stripe: connect(copy, "sk_test_123") };
}
