/** What happens by itself when time passes: timers in heaps, one heap a clock, done in order. */
import { drop, put } from "./own.ts";
import type { World } from "./world.ts";

export type TimerKind =
  | "session_expires"
  | "period_ends"
  | "cancels"
  | "trial_will_end"
  | "invoice_finalizes"
  | "invoice_retries"
  | "invoice_upcoming"
  | "incomplete_expires"
  | "pause_ends"
  | "pending_update_expires"
  | "charge_settles"
  | "phase_ends"
  | "schedule_expiring"
  | "delivery";

export interface Timer {
  kind: TimerKind;
  /** The object it is about. */
  id: string;
  at: number;
  /** Orders timers of the same second, and tells the one that counts from those it has replaced. */
  order: number;
}

export interface Timers {
  /** test clock's id, or "" for the emulator's own -> its heap. */
  clocks: Map<string, Timer[]>;
  /** kind and object -> the order of the timer that counts. */
  current: Map<string, number>;
  deliveries: Timer[];
}

/** Sets the timer of this kind for this object, in place of an earlier one. Deliveries go by the emulator's own clock. */
export function setTimer(world: World, kind: TimerKind, id: string, at: number): void {
  const { timers } = world.account;
  const timer = { kind, id, at, order: world.state.timerCount++ };
  put(world, timers.current, `${kind} ${id}`, timer.order);
  if (kind === "delivery") return push(timers.deliveries, timer);
  const clock = world.clock ?? "";
  const heap = timers.clocks.get(clock) ?? [];
  timers.clocks.set(clock, heap);
  push(heap, timer);
}

export function clearTimer(world: World, kind: TimerKind, id: string): void {
  drop(world, world.account.timers.current, `${kind} ${id}`);
}

/** The earliest timer of a clock that is due at `until`. */
export function nextTimer(timers: Timers, clock: string, until: number): Timer | null {
  return peek(timers, timers.clocks.get(clock) ?? [], until);
}

export function nextDelivery(timers: Timers, until: number): Timer | null {
  return peek(timers, timers.deliveries, until);
}

/** Takes away the timer that `nextTimer` or `nextDelivery` has just answered. */
export function takeTimer(timers: Timers, timer: Timer, clock: string | null): void {
  pop(clock === null ? timers.deliveries : (timers.clocks.get(clock) ?? []));
  timers.current.delete(`${timer.kind} ${timer.id}`);
}

/** Every timer of one kind on a clock that counts, in no order. */
export function timersOfKind({ clocks, current }: Timers, clock: string, kind: TimerKind): Timer[] {
  const heap = clocks.get(clock) ?? [];
  return heap.filter((timer) => timer.kind === kind && current.get(`${kind} ${timer.id}`) === timer.order);
}

function peek({ current }: Timers, heap: Timer[], until: number): Timer | null {
  for (;;) {
    const [first] = heap;
    if (!first || first.at > until) return null;
    if (current.get(`${first.kind} ${first.id}`) === first.order) return first;
    pop(heap);
  }
}

function before(one: Timer, other: Timer): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}

function push(heap: Timer[], timer: Timer): void {
  let at = heap.push(timer) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const above = heap[parent];
    if (!above || !before(timer, above)) break;
    heap[at] = above;
    at = parent;
  }
  heap[at] = timer;
}

function pop(heap: Timer[]): void {
  const last = heap.pop();
  if (!last || heap.length === 0) return;
  let at = 0;
  for (;;) {
    const [left, right] = [heap[2 * at + 1], heap[2 * at + 2]];
    const child = right && left && before(right, left) ? right : left;
    if (!child || before(last, child)) break;
    heap[at] = child;
    at = child === right ? 2 * at + 2 : 2 * at + 1;
  }
  heap[at] = last;
}
