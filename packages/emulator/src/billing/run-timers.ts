/** Runs due timers in order of time. While a timer runs, virtual time is the timer's due time. */
import { recordTimer } from "../core/clock-move.ts";
import { emit, finish } from "../core/events.ts";
import type { Timer, TimerKind } from "../core/records.ts";
import { find } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { nextTimer, popTimer } from "../core/timers.ts";

import { advanceTimeTo } from "../core/virtual-time.ts";
import { settleCharge } from "./charges.ts";
import { expireCheckout } from "./checkout.ts";
import { collectInvoice, invoiceOverdue } from "./collection.ts";
import { retryCollection } from "./dunning.ts";
import { cancelPayment } from "./payments.ts";
import { expirePendingUpdate } from "./pending-updates.ts";
import { emitUpcomingInvoice } from "./preview.ts";
import { settleRefund } from "./refunds.ts";
import { endDiscount } from "./subscriber-discounts.ts";
import { expireIncomplete } from "./subscription-endings.ts";
import { SUBSCRIPTION_EFFECTS, type TimerEffect, withRow } from "./subscription-timers.ts";

/**
 * Runs the timers of one clock that are due at or before `until`. Returns the number of timers that ran. Adds them
 * to the move of the context, if there is one.
 */
export function runClock(context: Context, clock: string, until: number): number {
  const { timers } = context.account;
  let done = 0;
  for (let timer = nextTimer(timers, clock, until); timer; timer = nextTimer(timers, clock, until)) {
    if (context.move) context.emitted = [];
    runTimer(context, timer, clock);
    if (context.move) recordTimer(context.move, timer, context.emitted ?? []);
    done += 1;
  }
  return done;
}

export function runTimer(context: Context, timer: Timer, clock: string): void {
  popTimer(context.account.timers, timer, clock);
  const testClock = clock === "" ? undefined : find(context, "test_helpers.test_clock", clock);
  if (testClock) testClock.frozen_time = Math.max(testClock.frozen_time, timer.at);
  else advanceTimeTo(context.state, timer.at);
  context.clock = testClock?.id ?? null;
  context.request = { id: null, idempotencyKey: null };
  EFFECTS[timer.kind](context, timer.id);
  finish(context);
}

const EFFECTS: Record<TimerKind, TimerEffect> = {
  session_expires: (context, id) =>
    withRow(context, "checkout.session", id, (session) => expireCheckout(context, session)),
  ...SUBSCRIPTION_EFFECTS,
  schedule_expiring: (context, id) =>
    withRow(context, "subscription_schedule", id, (row) => void emit(context, "subscription_schedule.expiring", row)),
  trial_will_end: (context, id) =>
    withRow(context, "subscription", id, (subscription) => {
      if (subscription.status === "trialing") emit(context, "customer.subscription.trial_will_end", subscription);
    }),
  invoice_upcoming: (context, id) => withRow(context, "subscription", id, (row) => emitUpcomingInvoice(context, row)),
  pending_update_expires: (context, id) =>
    withRow(context, "subscription", id, (row) => expirePendingUpdate(context, row)),
  incomplete_expires: (context, id) => withRow(context, "subscription", id, (row) => expireIncomplete(context, row)),
  invoice_finalizes: (context, id) => withRow(context, "invoice", id, (invoice) => collectInvoice(context, invoice)),
  invoice_retries: (context, id) => withRow(context, "invoice", id, (invoice) => retryCollection(context, invoice)),
  invoice_due: (context, id) => withRow(context, "invoice", id, (invoice) => invoiceOverdue(context, invoice)),
  authorization_expires: (context, id) =>
    withRow(context, "payment_intent", id, (intent) => cancelPayment(context, intent, "automatic")),
  charge_settles: (context, id) => withRow(context, "charge", id, (charge) => settleCharge(context, charge)),
  discount_ends: (context, id) => withRow(context, "discount", id, (discount) => endDiscount(context, discount)),
  refund_settles: (context, id) => withRow(context, "refund", id, (refund) => settleRefund(context, refund)),
  delivery: () => {},
};
