/** Reads the data of all accounts, so that a test can compare the data before a request with the data after the request. */
import type { Emulator } from "../../src/index.ts";

/**
 * Returns the data of all accounts without the counts of ignored parameters, because a rejected request may change
 * those counts.
 */
export function accountData(emulator: Emulator): object {
  return [...emulator.snapshot().accounts.values()].map(({ id, tables, deliveries, timers }) => ({
    id,
    tables,
    deliveries,
    timers: timers.current,
  }));
}
