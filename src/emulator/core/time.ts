/** Virtual time, which only goes forwards. */
import { forgetOldEvents } from "./events.ts";
import type { State } from "./world.ts";

const DAY_SECONDS = 86_400;

/** Moves on to a time; stays where that is past. What Stripe keeps for a while is forgotten as days go by. */
export function moveTo(state: State, at: number): void {
  if (at <= state.now) return;
  const isNewDay = Math.floor(at / DAY_SECONDS) > Math.floor(state.now / DAY_SECONDS);
  state.now = at;
  if (isNewDay) for (const account of state.accounts.values()) forgetOldEvents(account, at);
}
