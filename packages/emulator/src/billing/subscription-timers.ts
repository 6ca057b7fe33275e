/** Defines the effects of the timers that create a subscription's invoices. */
import type { TimerKind } from "../core/records.ts";
import { find } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { Row, TableName } from "../core/tables.ts";
import { switchToClockOf } from "../core/clock.ts";
import { advanceSchedule, advanceScheduleOf } from "./schedule-phases.ts";
import { endAsPlanned } from "./planned-endings.ts";
import { resumeCollection } from "./subscription-pauses.ts";
import { renewSubscription } from "./subscription-renewals.ts";
import { resumeAfterPause } from "./subscription-resumptions.ts";

export type TimerEffect = (context: Context, id: string) => void;

export const SUBSCRIPTION_EFFECTS = {
  period_ends: (context, id) =>
    withRow(context, "subscription", id, (subscription) => {
      advanceScheduleOf(context, subscription);
      renewSubscription(context, subscription);
    }),
  phase_ends: (context, id) => withRow(context, "subscription_schedule", id, (row) => advanceSchedule(context, row)),
  cancels: (context, id) => withRow(context, "subscription", id, (subscription) => endAsPlanned(context, subscription)),
  pause_ends: (context, id) =>
    withRow(context, "subscription", id, (row) => {
      if (row.status === "paused") resumeAfterPause(context, row);
      else resumeCollection(context, row);
    }),
} satisfies Partial<Record<TimerKind, TimerEffect>>;

/** Calls the function `act` with the row with this ID, at the time of the row's clock. Does nothing if there is no row. */
export function withRow<Name extends TableName>(
  context: Context,
  table: Name,
  id: string,
  act: (row: Row<Name>) => void,
): void {
  const row = find(context, table, id);
  if (!row) return;
  switchToClockOf(context, row);
  act(row);
}
