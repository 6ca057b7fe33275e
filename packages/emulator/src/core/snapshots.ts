/** Copies the state, and converts it to and from JSON. */
import { copy } from "./copy.ts";
import { type Account, emptyAccount, newState, type State } from "./state.ts";

/** Returns the emulator's state as JSON. In the JSON, maps become lists of key-value pairs. */
export function serialize(state: State): string {
  return JSON.stringify(state, (_key, value: unknown) => (value instanceof Map ? { $map: [...value] } : value));
}

/**
 * Parses the emulator's state from JSON. In the parsed state, fields that an older version of the emulator did not write are
 * empty. Returns null if the JSON is not a state of the emulator.
 */
export function deserialize(text: string): State | null {
  const stored = JSON.parse(text, (_key, value: unknown) =>
    typeof value === "object" && value !== null && "$map" in value ? new Map(value.$map as [string, unknown][]) : value,
  ) as State;
  if (!(stored.accounts instanceof Map)) return null;
  const accounts = [...stored.accounts].map(([id, account]): [string, Account] => {
    const empty = emptyAccount(id);
    return [id, { ...empty, ...account, tables: { ...empty.tables, ...account.tables } }];
  });
  return { ...newState(stored.seed, stored.now), ...stored, accounts: new Map(accounts) };
}

/**
 * Returns an independent copy of the state. The copy of the state shares its rows with the original state, because rows never
 * change in place.
 */
export function fork(state: State): State {
  return {
    ...state,
    faults: copy(state.faults),
    deliveryFaults: copy(state.deliveryFaults),
    returnedEvents: [...state.returnedEvents],
    accounts: new Map([...state.accounts].map(([id, account]) => [id, forkAccount(account)])),
  };
}

export function forkAccount(account: Account): Account {
  const { clocks, current, deliveries } = account.timers;
  return {
    ...withMapsCopied(account),
    tables: withMapsCopied(account.tables),
    timers: {
      clocks: new Map([...clocks].map(([clock, heap]) => [clock, [...heap]])),
      current: new Map(current),
      deliveries: [...deliveries],
    },
  };
}

function withMapsCopied<T extends object>(object: T): T {
  const entries = Object.entries(object) as [string, unknown][];
  return Object.fromEntries(entries.map(([name, value]) => [name, value instanceof Map ? new Map(value) : value])) as T;
}
