/** Virtual time, which only goes forwards. */
import { forgetOldEvents } from "./events.ts";
import { dayOf } from "./tables.ts";
import type { State } from "./world.ts";

/** Moves on to a time; stays where that is past. What Stripe keeps for a while is forgotten as days go by. */
export function moveTo(state: State, at: number): void {
  if (at <= state.now) return;
  const isNewDay = dayOf(at) !== dayOf(state.now);
  state.now = at;
  if (isNewDay) for (const account of state.accounts.values()) forgetOldEvents(account, at);
}
