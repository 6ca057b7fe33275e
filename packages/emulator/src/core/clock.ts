/** Returns the current virtual time of a context: the time of the emulator's own clock, or of a test clock. */
import type { ObjectSource } from "./object-source.ts";

/** Returns the current virtual time in epoch seconds. */
export function now(source: ObjectSource): number {
  if (source.clock === null) return source.state.now;
  return source.account.tables["test_helpers.test_clock"].get(source.clock)?.frozen_time ?? source.state.now;
}

/** Returns the ID of a customer's test clock; null if the customer has none. */
export function testClockOf(source: ObjectSource, customer: string): string | null {
  return source.account.tables.customer.get(customer)?.test_clock ?? null;
}

/** Switches a context to the test clock of an object or of its customer. */
export function switchToClockOf(source: ObjectSource, object: unknown): void {
  source.clock = clockOf(source, object);
}

function clockOf(source: ObjectSource, object: unknown): string | null {
  if (typeof object !== "object" || object === null) return null;
  const { test_clock: clock, customer } = object as { test_clock?: unknown; customer?: unknown };
  if (typeof clock === "string") return clock;
  return typeof customer === "string" ? testClockOf(source, customer) : null;
}
