/**
 * Rows are shared, by snapshots, forks and answers under way, and never changed in place. A step of work (one request, one
 * timer, one form) takes copies of the rows that it may change, puts them in their tables, and can take all of it back.
 * A step is over before anything else happens: what it holds is not kept across an `await`.
 */
import { copy } from "./copy.ts";

export interface Step {
  /** What is this step's own to change; null in a step that only reads. */
  own: Set<object> | null;
  /** Takes back what has been done, the last first. */
  undo: (() => void)[];
  /** Whether rows are frozen at the step's end, which shows who changes what is not his. */
  checked: boolean;
}

/** The row as this step may change it. */
export function own<Key, Row extends object>(step: Step, rows: Map<Key, Row>, key: Key): Row | undefined {
  const row = rows.get(key);
  if (row === undefined || step.own === null || step.own.has(row)) return row;
  return put(step, rows, key, copy(row));
}

export function put<Key, Value>(step: Step, map: Map<Key, Value>, key: Key, value: Value): Value {
  const known = map.has(key);
  const before = map.get(key) as Value;
  step.undo.push(() => (known ? map.set(key, before) : map.delete(key)));
  map.set(key, value);
  if (typeof value === "object" && value !== null) step.own?.add(value);
  return value;
}

export function drop<Key, Value>(step: Step, map: Map<Key, Value>, key: Key): void {
  const before = map.get(key);
  if (map.delete(key)) step.undo.push(() => map.set(key, before as Value));
}

/** What a request has done before it was refused is taken back: a refusal leaves nothing half-written. */
export function takeBack(step: Step): void {
  for (const undo of step.undo.splice(0).toReversed()) undo();
}

/** Ends the step: its rows are everybody's from now on. */
export function close(step: Step): void {
  if (step.checked) for (const row of step.own ?? []) freeze(row);
  step.own?.clear();
  step.undo = [];
}

function freeze(value: unknown): void {
  if (typeof value !== "object" || value === null || value instanceof Map || Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const inner of Object.values(value)) freeze(inner);
}
