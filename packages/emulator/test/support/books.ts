/** All that an emulator's accounts hold, to be compared with what they held before. */
import type { Emulator } from "../../src/index.ts";

/** Without what a refused request may leave: which parameters were ignored. */
export function books(emulator: Emulator): object {
  return [...emulator.snapshot().accounts.values()].map(({ id, tables, deliveries, timers }) => ({
    id,
    tables,
    deliveries,
    timers: timers.current,
  }));
}
