/**
 * Tests properties of amounts of money and billing periods with random input. The environment variables FUZZ_SEED and FUZZ_RUNS
 * set the seed of the random input and the number of inputs for each test.
 */
import fc from "fast-check";
import type Stripe from "stripe";
import { expect, test } from "vitest";
import { split } from "../src/core/money.ts";
import { createEmulator, type Emulator } from "../src/index.ts";
import { connect, DAY, subscriber } from "./support/sdk.ts";

const seed = Number(process.env["FUZZ_SEED"] ?? 1);
const numRuns = Number(process.env["FUZZ_RUNS"] ?? 40);
const TIMEOUT = { timeout: 60_000 + numRuns * 500 };

function holds<Values extends [unknown, ...unknown[]]>(
  property: (values: Values) => Promise<void>,
  ...values: { [Index in keyof Values]: fc.Arbitrary<Values[Index]> }
): Promise<void> {
  return fc.assert(fc.asyncProperty(fc.tuple<Values>(...values), property), { seed, numRuns });
}

function begin(startAt: number): { emulator: Emulator; stripe: Stripe } {
  const emulator = createEmulator({ startAt, wallNow: () => startAt, checkResponses: true, strict: true });
  return { emulator, stripe: connect(emulator, "sk_test_123") };
}

/** Returns the quotient of two integers, rounded exactly. A fraction of one half is rounded away from zero. */
function rounded(numerator: bigint, denominator: bigint): number {
  const sign = numerator < 0n ? -1n : 1n;
  return Number((sign * (2n * sign * numerator + denominator)) / (2n * denominator));
}

const anyStart = fc
  .integer({ min: Date.UTC(2023, 0, 1) / 1000, max: Date.UTC(2031, 0, 1) / 1000 })
  .map((at) => at * 1000);
const anyAmount = fc.oneof(fc.constantFrom(1, 3, 7, 99, 100, 999, 3_333), fc.integer({ min: 1, max: 99_999_99 }));
const anyChange = fc.record({ price: fc.integer({ min: 0, max: 2 }), quantity: fc.integer({ min: 1, max: 9 }) });
type Change = { price: number; quantity: number };

interface Sold {
  emulator: Emulator;
  stripe: Stripe;
  subscription: string;
  item: string;
  prices: string[];
  start: number;
  end: number;
}

/** Creates several monthly prices, and a subscription to the first of these prices. */
async function sell(startAt: number, amounts: readonly number[], currency: string): Promise<Sold> {
  const { emulator, stripe } = begin(startAt);
  const { customer, price } = await subscriber(stripe, { amount: amounts[0] ?? 1, currency });
  const prices = [price.id];
  for (const unit_amount of amounts.slice(1)) {
    const product = price.product as string;
    prices.push((await stripe.prices.create({ product, unit_amount, currency, recurring: { interval: "month" } })).id);
  }
  const made = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  const {
    id: item,
    current_period_start: start,
    current_period_end: end,
  } = made.items.data[0] as Stripe.SubscriptionItem;
  return { emulator, stripe, subscription: made.id, item, prices, start, end };
}

async function change({ stripe, subscription, item, prices }: Sold, { price, quantity }: Change): Promise<void> {
  await stripe.subscriptions.update(subscription, { items: [{ id: item, price: prices[price] ?? "", quantity }] });
}

async function pending({ stripe }: Sold): Promise<Stripe.InvoiceItem[]> {
  return stripe.invoiceItems.list({ pending: true, limit: 100 }).autoPagingToArray({ limit: 1_000 });
}

const total = (rows: readonly { amount: number }[]): number => rows.reduce((all, { amount }) => all + amount, 0);

function forked(sold: Sold): Sold {
  const emulator = sold.emulator.fork();
  return { ...sold, emulator, stripe: connect(emulator, "sk_test_123") };
}

const amountsOf = fc.array(anyAmount, { minLength: 3, maxLength: 3 });
const changesOf = fc.array(anyChange, { minLength: 1, maxLength: 6 });
const currencyOf = fc.constantFrom("usd", "eur", "jpy");

test("several changes of a subscription in one second cost as much as the last change alone", TIMEOUT, () =>
  holds(
    async ([startAt, amounts, currency, seconds, changes]) => {
      const sold = await sell(startAt, amounts, currency);
      await sold.emulator.advance(seconds);
      const direct = forked(sold);
      for (const one of changes) await change(sold, one);
      await change(direct, changes.at(-1) as Change);
      expect(total(await pending(sold))).toBe(total(await pending(direct)));
      expect(sold.emulator.audit()).toEqual([]);
    },
    anyStart,
    amountsOf,
    currencyOf,
    fc.integer({ min: 0, max: 27 * DAY }),
    changesOf,
  ),
);

test(
  "a plan change credits the old price and charges the new price for the remaining seconds, exact to the cent",
  TIMEOUT,
  () =>
    holds(
      async ([startAt, amounts, currency, seconds, wanted]) => {
        const sold = await sell(startAt, amounts, currency);
        await sold.emulator.advance(seconds);
        await change(sold, wanted);
        const at = sold.start + seconds;
        const left = (amount: number) => rounded(BigInt(amount) * BigInt(sold.end - at), BigInt(sold.end - sold.start));
        const same = wanted.price === 0 && wanted.quantity === 1;
        const expected = same
          ? []
          : [left((amounts[wanted.price] ?? 0) * wanted.quantity), -left(amounts[0] ?? 0) || 0];
        expect((await pending(sold)).map(({ amount }) => amount)).toEqual(expected);
      },
      anyStart,
      amountsOf,
      currencyOf,
      fc.integer({ min: 0, max: 27 * DAY }),
      anyChange,
    ),
);

test("the prorations of a period add up to the price of the used time, except for rounding", TIMEOUT, () =>
  holds(
    async ([startAt, amounts, changes, gaps]) => {
      const sold = await sell(startAt, amounts, "usd");
      const length = BigInt(sold.end - sold.start);
      let exact = 0n;
      let had = amounts[0] ?? 0;
      let at = sold.start;
      for (const [index, one] of changes.entries()) {
        const gap = gaps[index] ?? 0;
        await sold.emulator.advance(gap);
        exact += BigInt(had) * BigInt(gap);
        at += gap;
        await change(sold, one);
        had = (amounts[one.price] ?? 0) * one.quantity;
      }
      exact += BigInt(had) * BigInt(sold.end - at);
      const sides = await pending(sold);
      const billed = (amounts[0] ?? 0) + total(sides);
      expect(Math.abs(billed - Number(exact) / Number(length))).toBeLessThanOrEqual(sides.length / 2 + 1e-6);

      await sold.emulator.advance(sold.end - at + 3_600);
      const renewal = (await sold.stripe.invoices.list({ subscription: sold.subscription, limit: 1 })).data[0];
      expect(renewal?.total).toBe(total(sides) + had);
      expect(sold.emulator.audit()).toEqual([]);
    },
    anyStart,
    amountsOf,
    changesOf,
    fc.array(fc.integer({ min: 0, max: 4 * DAY }), { minLength: 6, maxLength: 6 }),
  ),
);

test(
  "the discounts of an invoice's lines add up to the total discount, and none exceeds its line's amount",
  TIMEOUT,
  () =>
    holds(
      async ([amounts, off]) => {
        const { emulator, stripe } = begin(Date.UTC(2026, 0, 31));
        const { customer } = await subscriber(stripe);
        for (const amount of amounts)
          await stripe.invoiceItems.create({ customer: customer.id, amount, currency: "usd" });
        const coupon = await stripe.coupons.create({ amount_off: off, currency: "usd", duration: "once" });
        const { total: owed, lines } = await stripe.invoices.create({
          customer: customer.id,
          pending_invoice_items_behavior: "include",
          discounts: [{ coupon: coupon.id }],
        });
        const sum = amounts.reduce((all, amount) => all + amount, 0);
        expect(owed).toBe(Math.max(0, sum - off));
        expect(total(lines.data.flatMap((line) => line.discount_amounts ?? []))).toBe(Math.min(off, sum));
        expect(emulator.audit()).toEqual([]);
      },
      fc.array(anyAmount, { minLength: 1, maxLength: 8 }),
      anyAmount,
    ),
);

test("the parts of a split amount add up to the amount, and each part differs from its exact share by at most one minor unit", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 1e9 }),
      fc.array(fc.integer({ min: 0, max: 1e6 }), { minLength: 1, maxLength: 20 }),
      (amount, weights) => {
        const sum = weights.reduce((all, weight) => all + weight, 0);
        const parts = split(amount, weights);
        expect(parts.reduce((all, part) => all + part, 0)).toBe(sum === 0 ? 0 : amount);
        for (const [index, part] of parts.entries())
          expect(Math.abs(part - (sum === 0 ? 0 : (amount * (weights[index] ?? 0)) / sum))).toBeLessThanOrEqual(1);
      },
    ),
    { seed, numRuns: numRuns * 10 },
  );
});

/**
 * Adds the given number of months to the billing anchor, and keeps the anchor's day and time. If the resulting month lacks the
 * anchor's day, returns the last day of the resulting month.
 */
function monthsLater(anchor: number, months: number): number {
  const from = new Date(anchor * 1000);
  const month = from.getUTCMonth() + months;
  const lastDay = new Date(Date.UTC(from.getUTCFullYear(), month + 1, 0)).getUTCDate();
  const midnight = Date.UTC(from.getUTCFullYear(), month, Math.min(from.getUTCDate(), lastDay)) / 1000;
  return midnight + (anchor % DAY);
}

const RENEWALS = 6;

test("billing periods keep the anchor's day and time across shorter months and leap days", TIMEOUT, () =>
  holds(
    async ([startAt, [interval, interval_count]]) => {
      const { emulator, stripe } = begin(startAt);
      const { customer, product } = await subscriber(stripe);
      const recurring = { interval, interval_count };
      const price = await stripe.prices.create({ product: product.id, unit_amount: 900, currency: "usd", recurring });
      const { id } = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
      const anchor = startAt / 1000;
      const boundary = (periods: number): number => {
        const length = periods * interval_count;
        if (interval === "day" || interval === "week") return anchor + length * (interval === "day" ? 1 : 7) * DAY;
        return monthsLater(anchor, interval === "year" ? 12 * length : length);
      };
      for (let period = 0; period <= RENEWALS; period += 1) {
        const { items } = await stripe.subscriptions.retrieve(id);
        expect(items.data[0]).toMatchObject({
          current_period_start: boundary(period),
          current_period_end: boundary(period + 1),
        });
        await emulator.advance(boundary(period + 1) - emulator.now() / 1000);
      }
    },
    fc.oneof(
      anyStart,
      fc.constantFrom(Date.UTC(2024, 1, 29, 23, 59, 59), Date.UTC(2023, 11, 31), Date.UTC(2026, 0, 30, 12)),
    ),
    fc.constantFrom<["day" | "week" | "month" | "year", number][]>(
      ["day", 1],
      ["day", 45],
      ["week", 1],
      ["week", 6],
      ["month", 1],
      ["month", 3],
      ["month", 11],
      ["year", 1],
      ["year", 3],
    ),
  ),
);
