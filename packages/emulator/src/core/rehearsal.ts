/** Makes changes in order to see their result, and undoes them. */
import type { Context } from "./state.ts";
import { rollback } from "./transaction.ts";

/**
 * Runs the function `act` and returns its result. Then undoes all changes of `act`: rows, timers, events, time and random
 * numbers, so that later IDs do not depend on the rehearsal. `act` must read its rows itself, because rows that the
 * transaction read before belong to the transaction.
 */
export function rehearse<T>(context: Context, act: () => T): T {
  const { writable, originals, undo, pendingEvents, clock, forcedDecline = null, isRehearsal = false } = context;
  const { seed, now, timerCount, nextDecline = null } = context.state;
  Object.assign(context, { writable: new Set(), originals: new Map(), undo: [], pendingEvents: [], isRehearsal: true });
  try {
    return act();
  } finally {
    rollback(context);
    Object.assign(context, { writable, originals, undo, pendingEvents, clock, forcedDecline, isRehearsal });
    Object.assign(context.state, { seed, now, timerCount, nextDecline });
  }
}
