/**
 * Tests the taxes of random invoices. The environment variables FUZZ_SEED and FUZZ_RUNS set the seed and the number of runs.
 * @see https://docs.stripe.com/billing/taxes/tax-rates
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { createEmulator } from "../src/index.ts";
import { connect, START } from "./support/sdk.ts";

const seed = Number(process.env["FUZZ_SEED"] ?? 1);
const numRuns = Number(process.env["FUZZ_RUNS"] ?? 40);
const TIMEOUT = { timeout: 60_000 + numRuns * 500 };

const anyRate = fc.record({ percentage: fc.constantFrom(0, 2.5, 7, 8.375, 19, 25), inclusive: fc.boolean() });
const anyItem = fc.record({
  amount: fc.integer({ min: -5_000, max: 99_999 }),
  rates: fc.array(anyRate, { maxLength: 3 }),
});

test(
  "random tax rates and discounts give invoices whose taxes add up, and whose total never loses a cent",
  TIMEOUT,
  () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(anyItem, { minLength: 1, maxLength: 4 }),
        fc.constantFrom(0, 10, 33.3),
        async (items, off) => {
          const emulator = createEmulator({ startAt: START, wallNow: () => START, checkResponses: true });
          const stripe = connect(emulator, "sk_test_123");
          const customer = await stripe.customers.create();
          for (const { amount, rates } of items) {
            const made = rates.map((rate) => stripe.taxRates.create({ display_name: "VAT", ...rate }));
            const tax_rates = (await Promise.all(made)).map(({ id }) => id);
            await stripe.invoiceItems.create({ customer: customer.id, amount, currency: "usd", tax_rates });
          }
          const coupon = off === 0 ? null : await stripe.coupons.create({ percent_off: off, duration: "once" });
          const invoice = await stripe.invoices.create({
            customer: customer.id,
            currency: "usd",
            pending_invoice_items_behavior: "include",
            ...(coupon && { discounts: [{ coupon: coupon.id }] }),
          });
          const taxes = invoice.lines.data.flatMap((line) => line.taxes ?? []);
          const taxOf = (behavior: string) =>
            taxes.filter((tax) => tax.tax_behavior === behavior).reduce((sum, { amount }) => sum + amount, 0);
          const discount = (invoice.total_discount_amounts ?? []).reduce((sum, { amount }) => sum + amount, 0);
          expect(invoice.total).toBe(invoice.subtotal - discount + taxOf("exclusive"));
          expect(invoice.total_excluding_tax).toBe(invoice.subtotal - discount - taxOf("inclusive"));
          await stripe.invoices.finalizeInvoice(invoice.id);
          expect(emulator.audit()).toEqual([]);
        },
      ),
      { seed, numRuns },
    ),
);
