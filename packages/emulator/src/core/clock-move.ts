/** Records what a move of the clock does: the timers that run and the events that they emit. The viewer shows the last move. */
import type { StripeEvent } from "../objects/event.ts";
import type { Timer, TimerKind } from "./records.ts";

export interface ClockMove {
  /** The ID of the test clock that moved; null for the emulator's own clock. */
  testClock: string | null;
  /** The virtual times before and after the move, in epoch seconds. */
  from: number;
  to: number;
  /** The first timers that ran and the first events that they emitted. */
  timers: { kind: TimerKind; id: string; at: number }[];
  events: { id: string; type: string; object: string }[];
  timerCount: number;
  eventCount: number;
}

/** The maximum number of timers and the maximum number of events that a move keeps. */
const MAX_ENTRIES = 1_000;

export function startMove(from: number, testClock: string | null = null): ClockMove {
  return { testClock, from, to: from, timers: [], events: [], timerCount: 0, eventCount: 0 };
}

/**
 * Adds a timer and its events to a move. An event whose object has no ID, such as a future invoice, counts as an event of the
 * timer's object.
 */
export function recordTimer(move: ClockMove, { kind, id, at }: Timer, emitted: readonly StripeEvent[]): void {
  move.timerCount += 1;
  move.eventCount += emitted.length;
  if (move.timers.length < MAX_ENTRIES) move.timers.push({ kind, id, at });
  for (const event of emitted.slice(0, MAX_ENTRIES - move.events.length))
    move.events.push({ id: event.id, type: event.type, object: (event.data.object as { id?: string }).id ?? id });
}
