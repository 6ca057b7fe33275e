/** Moves virtual time forward. */
import { pruneOldEvents } from "./events.ts";
import type { State } from "./state.ts";
import { dayOf } from "./tables.ts";

/** Moves virtual time to `at`, never backward. Removes old events when a day ends. */
export function advanceTimeTo(state: State, at: number): void {
  if (at <= state.now) return;
  const isNewDay = dayOf(at) !== dayOf(state.now);
  state.now = at;
  if (isNewDay) for (const account of state.accounts.values()) pruneOldEvents(account, at);
}
