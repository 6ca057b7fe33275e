/**
 * Tests that a preview equals the invoice that follows, for random catalogs, currencies, coupons, taxes, trials, changes and
 * cancellations. The environment variables FUZZ_SEED and FUZZ_RUNS set the seed and the number of runs.
 * @see https://docs.stripe.com/api/invoices/create_preview
 */
import fc from "fast-check";
import type Stripe from "stripe";
import { expect, test } from "vitest";
import { serialize } from "../src/core/snapshots.ts";
import {
  type AnyChange,
  anyChange,
  anyWorld,
  createWorld,
  forkOf,
  planChange,
  type World,
} from "./support/random-billing.ts";

const seed = Number(process.env["FUZZ_SEED"] ?? 1);
const numRuns = Number(process.env["FUZZ_RUNS"] ?? 40);
const TIMEOUT = { timeout: 60_000 + numRuns * 500 };
const HOUR = 3_600;
/** The largest number of timers that run until the next invoice, such as the notice of a renewal. */
const MAX_TIMERS = 20;

/** The parts of an invoice that decide the payment, without IDs. */
function moneyOf(invoice: Stripe.Invoice) {
  const { amount_due, currency, starting_balance, subtotal, total, total_excluding_tax } = invoice;
  const lines = invoice.lines.data.map(({ amount, description, discount_amounts, period, quantity, taxes }) => ({
    amount,
    description,
    discounts: discount_amounts?.map((discount) => discount.amount),
    period,
    quantity,
    taxes: taxes?.map((tax) => tax.amount),
  }));
  return { amount_due, currency, starting_balance, subtotal, total, total_excluding_tax, lines };
}

/**
 * Returns the state without the parts that every request changes: the seed of IDs, and the responses to idempotency keys. The
 * heaps of timers are left out, because they may keep timers that have been cleared.
 */
function stateOf({ emulator }: World): string {
  const state = emulator.snapshot();
  const accounts = [...state.accounts].map(([id, account]) => {
    const current = new Map([...account.timers.current].toSorted(([one], [other]) => one.localeCompare(other)));
    const timers = { ...account.timers, current, clocks: new Map() };
    return [id, { ...account, timers, idempotentResponses: new Map() }] as const;
  });
  const nextDecline = state.nextDecline ?? null;
  return serialize({ ...state, seed: 0, nextDecline, accounts: new Map(accounts) });
}

async function previewOf(world: World, params: Stripe.InvoiceCreatePreviewParams) {
  const before = stateOf(world);
  const preview = await world.stripe.invoices.createPreview(params).catch((error: { code?: string }) => {
    if (error.code === "invoice_upcoming_none") return null;
    throw error;
  });
  expect(stateOf(world)).toBe(before);
  return preview && moneyOf(preview);
}

async function invoicesOf({ stripe }: World): Promise<Stripe.Invoice[]> {
  return stripe.invoices.list({ limit: 100 }).autoPagingToArray({ limit: 1_000 });
}

/** Returns the amounts of the next invoice, created now or by the clock; null if no invoice follows. */
async function nextInvoice(world: World, known: number) {
  const { emulator, stripe } = world;
  for (let timers = 0; timers <= MAX_TIMERS; timers += 1) {
    const invoices = await invoicesOf(world);
    const next = invoices[invoices.length - known - 1];
    if (next?.status === "draft") await emulator.advance(HOUR);
    if (next) return moneyOf(await stripe.invoices.retrieve(next.id));
    const dueAt = emulator.nextDueAt();
    if (dueAt === null) return null;
    await emulator.advance((dueAt - emulator.now()) / 1_000);
  }
  throw new Error(`no invoice follows within ${MAX_TIMERS} timers`);
}

async function expectSameAsPreviewed(world: World, subscription: string, change: AnyChange): Promise<void> {
  // A preview has the balance of now. The draft of a renewal can change this balance when it is finalized an hour later.
  const drafts = await world.stripe.invoices.list({ subscription, status: "draft" });
  if (drafts.data.length > 0) await world.emulator.advance(HOUR);
  const now = await world.stripe.subscriptions.retrieve(subscription);
  if (now.status === "canceled") return;
  const planned = planChange(world, change, now);
  if (!planned) return;
  const preview = await previewOf(world, {
    subscription,
    subscription_details: planned.details,
    ...(planned.discounts && { discounts: planned.discounts }),
  });
  const known = (await invoicesOf(world)).length;
  await world.stripe.subscriptions.update(subscription, planned.update);
  // The time until the next invoice belongs to a copy, so that the next change happens soon after this one.
  const copy = { ...world, ...forkOf(world) };
  expect(await nextInvoice(copy, known)).toEqual(preview);
  expect(copy.emulator.audit()).toEqual([]);
}

test(
  "the preview of a random subscription or change equals the invoice that follows, writes nothing, and the books add up",
  TIMEOUT,
  () =>
    fc.assert(
      fc.asyncProperty(anyWorld, fc.array(anyChange, { minLength: 1, maxLength: 3 }), async (given, changes) => {
        const world = await createWorld(given);
        const { currency, customer, discounts, automatic_tax, ...details } = world.start;
        const preview = await previewOf(world, {
          customer: customer ?? "",
          ...(currency !== undefined && { currency }),
          ...(discounts && { discounts }),
          ...(automatic_tax && { automatic_tax }),
          subscription_details: {
            items: details.items ?? [],
            ...(details.trial_end && { trial_end: details.trial_end }),
          },
        });
        const { id, latest_invoice } = await world.stripe.subscriptions.create(world.start);
        expect(moneyOf(await world.stripe.invoices.retrieve(latest_invoice as string))).toEqual(preview);
        for (const change of changes) {
          await world.emulator.advance(change.waitSeconds);
          await expectSameAsPreviewed(world, id, change);
        }
        expect(world.emulator.audit()).toEqual([]);
      }),
      { seed, numRuns },
    ),
);
