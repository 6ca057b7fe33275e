/**
 * Implements transactions on the emulator's state. One request, timer or submitted form is one transaction. Snapshots, forks
 * and responses share the state's rows, so rows never change in place. A transaction copies each row before the first change,
 * and can undo all of its changes. A transaction is synchronous: do not use its rows after an `await`.
 */
import { copy } from "./copy.ts";

export interface Transaction {
  /** Rows that this transaction has copied and may change; null if the transaction only reads. */
  writable: Set<object> | null;
  /** Maps each row that this transaction has copied to the row as it was before the transaction. */
  originals: Map<object, object>;
  /** Functions that each undo one change of the transaction. A rollback runs the undo functions in reverse order. */
  undo: (() => void)[];
  /** If true, the transaction freezes its rows at commit, so that a later change of a row in place throws an error. */
  freezeRows: boolean;
}

/**
 * Returns the transaction's own copy of a row, which the transaction may change. Copies the row on its first use in the
 * transaction.
 */
export function forWrite<Key, Row extends object>(
  transaction: Transaction,
  rows: Map<Key, Row>,
  key: Key,
): Row | undefined {
  const row = rows.get(key);
  if (row === undefined || transaction.writable === null || transaction.writable.has(row)) return row;
  const own = setEntry(transaction, rows, key, copy(row));
  transaction.originals.set(own, row);
  return own;
}

export function setEntry<Key, Value>(transaction: Transaction, map: Map<Key, Value>, key: Key, value: Value): Value {
  const known = map.has(key);
  const before = map.get(key) as Value;
  transaction.undo.push(() => (known ? map.set(key, before) : map.delete(key)));
  map.set(key, value);
  if (typeof value === "object" && value !== null) transaction.writable?.add(value);
  return value;
}

export function deleteEntry<Key, Value>(transaction: Transaction, map: Map<Key, Value>, key: Key): void {
  const before = map.get(key);
  if (map.delete(key)) transaction.undo.push(() => map.set(key, before as Value));
}

/** Undoes all changes of the transaction. */
export function rollback(transaction: Transaction): void {
  for (const undo of transaction.undo.splice(0).toReversed()) undo();
}

/** Ends the transaction and makes its rows read-only. */
export function commit(transaction: Transaction): void {
  if (transaction.freezeRows) for (const row of transaction.writable ?? []) freeze(row);
  transaction.writable?.clear();
  transaction.originals.clear();
  transaction.undo = [];
}

function freeze(value: unknown): void {
  if (typeof value !== "object" || value === null || value instanceof Map || Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const inner of Object.values(value)) freeze(inner);
}
