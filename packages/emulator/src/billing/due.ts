/** Does what has become due, one timer after the other, each in the time of its clock. */
import { close } from "../core/own.ts";
import { moveTo } from "../core/time.ts";
import { takeTimer, nextTimer, type Timer, type TimerKind } from "../core/timers.ts";
import { emit } from "../core/events.ts";
import { find, focus, type World } from "../core/world.ts";
import { settleCharge } from "./charges.ts";
import { expireCheckout } from "./checkout.ts";
import { collect } from "./collection.ts";
import { retryCollection } from "./dunning.ts";
import { expirePending } from "./pending-updates.ts";
import { tellUpcoming } from "./preview.ts";
import { advanceSchedule, advanceScheduleOf } from "./schedule-phases.ts";
import { end, expireIncomplete } from "./subscription-endings.ts";
import { resume, resumeCollection } from "./subscription-pauses.ts";
import { renew } from "./subscription-renewals.ts";

/** Runs the timers of one clock that are due at `until`; answers how many. */
export function runClock(world: World, clock: string, until: number): number {
  const { timers } = world.account;
  let done = 0;
  for (let timer = nextTimer(timers, clock, until); timer; timer = nextTimer(timers, clock, until)) {
    runTimer(world, timer, clock);
    done += 1;
  }
  return done;
}

export function runTimer(world: World, timer: Timer, clock: string): void {
  takeTimer(world.account.timers, timer, clock);
  const testClock = clock === "" ? undefined : find(world, "test_helpers.test_clock", clock);
  if (testClock) testClock.frozen_time = Math.max(testClock.frozen_time, timer.at);
  else moveTo(world.state, timer.at);
  world.clock = testClock?.id ?? null;
  world.request = { id: null, idempotencyKey: null };
  EFFECTS[timer.kind](world, timer.id);
  close(world);
}

const EFFECTS: Record<TimerKind, (world: World, id: string) => void> = {
  session_expires: (world, id) => withRow(world, "checkout.session", id, (session) => expireCheckout(world, session)),
  period_ends: (world, id) =>
    withRow(world, "subscription", id, (subscription) => {
      advanceScheduleOf(world, subscription);
      renew(world, subscription);
    }),
  phase_ends: (world, id) => withRow(world, "subscription_schedule", id, (row) => advanceSchedule(world, row)),
  schedule_expiring: (world, id) =>
    withRow(world, "subscription_schedule", id, (row) => void emit(world, "subscription_schedule.expiring", row)),
  cancels: (world, id) =>
    withRow(world, "subscription", id, (subscription) => end(world, subscription, "cancellation_requested")),
  trial_will_end: (world, id) =>
    withRow(world, "subscription", id, (subscription) => {
      if (subscription.status === "trialing") emit(world, "customer.subscription.trial_will_end", subscription);
    }),
  invoice_upcoming: (world, id) => withRow(world, "subscription", id, (row) => tellUpcoming(world, row)),
  pause_ends: (world, id) =>
    withRow(world, "subscription", id, (row) => {
      if (row.status === "paused") resume(world, row, "now");
      else resumeCollection(world, row);
    }),
  pending_update_expires: (world, id) => withRow(world, "subscription", id, (row) => expirePending(world, row)),
  incomplete_expires: (world, id) => withRow(world, "subscription", id, (row) => expireIncomplete(world, row)),
  invoice_finalizes: (world, id) => withRow(world, "invoice", id, (invoice) => collect(world, invoice)),
  invoice_retries: (world, id) => withRow(world, "invoice", id, (invoice) => retryCollection(world, invoice)),
  charge_settles: (world, id) => withRow(world, "charge", id, (charge) => settleCharge(world, charge)),
  delivery: () => {},
};

function withRow<Name extends "charge" | "checkout.session" | "subscription" | "subscription_schedule" | "invoice">(
  world: World,
  table: Name,
  id: string,
  act: (row: NonNullable<ReturnType<typeof find<Name>>>) => void,
): void {
  const row = find(world, table, id);
  if (!row) return;
  focus(world, row);
  act(row);
}
