/** Sets and finds timers, which act at a virtual time. Each clock has one heap of timers, ordered by time. */
import type { Timer, TimerKind, Timers } from "./records.ts";
import type { Context } from "./state.ts";
import { deleteEntry, setEntry } from "./transaction.ts";

/**
 * Sets a timer for an object, and replaces the object's earlier timer of the same kind. Timers of webhook deliveries always use
 * the emulator's own clock.
 */
export function setTimer(context: Context, kind: TimerKind, id: string, at: number): void {
  const { timers } = context.account;
  const timer = { kind, id, at, order: context.state.timerCount++ };
  setEntry(context, timers.current, `${kind} ${id}`, timer.order);
  const heap = kind === "delivery" ? timers.deliveries : heapOf(timers, context.clock ?? "");
  pushHeap(heap, timer);
  context.undo.push(() => removeFromHeap(heap, timer));
}

function heapOf({ clocks }: Timers, clock: string): Timer[] {
  const heap = clocks.get(clock) ?? [];
  clocks.set(clock, heap);
  return heap;
}

export function clearTimer(context: Context, kind: TimerKind, id: string): void {
  deleteEntry(context, context.account.timers.current, `${kind} ${id}`);
}

export function hasTimer({ current }: Timers, kind: TimerKind, id: string): boolean {
  return current.has(`${kind} ${id}`);
}

/** Returns the earliest timer of a clock that is due at or before `until`; null if there is none. */
export function nextTimer(timers: Timers, clock: string, until: number): Timer | null {
  return peek(timers, timers.clocks.get(clock) ?? [], until);
}

export function nextDelivery(timers: Timers, until: number): Timer | null {
  return peek(timers, timers.deliveries, until);
}

/** Removes the timer that `nextTimer` or `nextDelivery` returned. */
export function popTimer(timers: Timers, timer: Timer, clock: string | null): void {
  popHeap(clock === null ? timers.deliveries : (timers.clocks.get(clock) ?? []));
  timers.current.delete(`${timer.kind} ${timer.id}`);
}

/** Returns the current timers of one kind on a clock, in no particular order. */
export function timersOfKind({ clocks, current }: Timers, clock: string, kind: TimerKind): Timer[] {
  const heap = clocks.get(clock) ?? [];
  return heap.filter((timer) => timer.kind === kind && current.get(`${kind} ${timer.id}`) === timer.order);
}

/** Returns the current billing timers of an object, in order of time. */
export function timersOf({ clocks, current }: Timers, id: string): Timer[] {
  return [...clocks.values()]
    .flatMap((heap) => heap.filter((timer) => timer.id === id && current.get(`${timer.kind} ${id}`) === timer.order))
    .toSorted((one, other) => one.at - other.at);
}

/** Returns the timers of all pending deliveries, in order of time. */
export function pendingDeliveries({ deliveries, current }: Timers): Timer[] {
  return deliveries
    .filter((timer) => current.get(`delivery ${timer.id}`) === timer.order)
    .toSorted((one, other) => one.at - other.at || one.order - other.order);
}

function peek({ current }: Timers, heap: Timer[], until: number): Timer | null {
  for (;;) {
    const [first] = heap;
    if (!first || first.at > until) return null;
    if (current.get(`${first.kind} ${first.id}`) === first.order) return first;
    popHeap(heap);
  }
}

function isBefore(one: Timer, other: Timer): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}

function pushHeap(heap: Timer[], timer: Timer): void {
  moveUp(heap, heap.push(timer) - 1, timer);
}

function moveUp(heap: Timer[], from: number, timer: Timer): void {
  let at = from;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const above = heap[parent];
    if (!above || !isBefore(timer, above)) break;
    heap[at] = above;
    at = parent;
  }
  heap[at] = timer;
}

function popHeap(heap: Timer[]): void {
  const last = heap.pop();
  if (last && heap.length > 0) moveDown(heap, 0, last);
}

/** Removes a timer from any place in the heap. A rollback removes the newest timers, which are mostly at the heap's end. */
function removeFromHeap(heap: Timer[], timer: Timer): void {
  const at = heap.lastIndexOf(timer);
  const last = at < 0 ? undefined : heap.pop();
  if (!last || last === timer) return;
  const parent = heap[(at - 1) >> 1];
  if (at > 0 && parent && isBefore(last, parent)) moveUp(heap, at, last);
  else moveDown(heap, at, last);
}

function moveDown(heap: Timer[], from: number, last: Timer): void {
  let at = from;
  for (;;) {
    const [left, right] = [heap[2 * at + 1], heap[2 * at + 2]];
    const child = right && left && isBefore(right, left) ? right : left;
    if (!child || isBefore(last, child)) break;
    heap[at] = child;
    at = child === right ? 2 * at + 2 : 2 * at + 1;
  }
  heap[at] = last;
}
