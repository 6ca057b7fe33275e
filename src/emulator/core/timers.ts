/** What happens by itself when time passes: each timer is a plain row, due at an instant, done in order. */
import type { World } from "./world.ts";

export type TimerKind =
  | "session_expires"
  | "period_ends"
  | "cancels"
  | "trial_will_end"
  | "invoice_finalizes"
  | "invoice_retries"
  | "incomplete_expires"
  | "delivery";

export interface Timer {
  kind: TimerKind;
  /** The object it is about. */
  id: string;
  at: number;
  /** Orders timers of the same second. */
  order: number;
}

/** Sets the timer of this kind for this object, in place of an earlier one. */
export function setTimer(world: World, kind: TimerKind, id: string, at: number): void {
  clearTimer(world, kind, id);
  world.state.timers.push({ kind, id, at, order: world.state.timerCount++ });
}

export function clearTimer(world: World, kind: TimerKind, id: string): void {
  world.state.timers = world.state.timers.filter((timer) => timer.kind !== kind || timer.id !== id);
}

/** The earliest timer due at `until`, deliveries or the others. */
export function nextTimer(world: World, until: number, what: "deliveries" | "billing"): Timer | null {
  let earliest: Timer | null = null;
  for (const timer of world.state.timers) {
    if (timer.at > until || (timer.kind === "delivery") !== (what === "deliveries")) continue;
    if (!earliest || timer.at < earliest.at || (timer.at === earliest.at && timer.order < earliest.order))
      earliest = timer;
  }
  return earliest;
}

export function removeTimer(world: World, timer: Timer): void {
  world.state.timers = world.state.timers.filter((other) => other !== timer);
}
