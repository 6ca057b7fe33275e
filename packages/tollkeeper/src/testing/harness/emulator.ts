/** Declares the parts of `@tollkeeper/emulator` that the harness uses, and loads that package. */
import { loadEmulatorPackage } from "../../load-emulator.ts";

/** A request handler. The emulator, the service and every simulated network between them are functions of this type. */
export type Network = (request: Request) => Promise<Response>;

export interface TestEmulator {
  fetch: Network;
  /** Returns the virtual time in epoch milliseconds. */
  now(): number;
  /**
   * Moves the virtual clock by a number of seconds, performs all work that becomes due, and delivers the resulting webhooks.
   */
  advance(seconds: number): Promise<number>;
  /** Delivers every webhook that is due now. */
  drain(): Promise<void>;
  /** Returns the time at which the next timer or delivery is due, in epoch milliseconds; null if nothing is planned. */
  nextDueAt(): number | null;
  /** Returns the events of the last 30 days, the oldest first. */
  events(): readonly TestEvent[];
}

/** The part of Stripe's events that tests read. */
export interface TestEvent {
  id: string;
  type: string;
  /** Epoch seconds. */
  created: number;
  data: { object: object };
}

export interface TestEmulatorOptions {
  /** Decides every id. */
  seed: number;
  /** The virtual time at the start of the emulator, in epoch milliseconds. */
  startAt: number;
  /** Returns the time that webhook signatures contain, in epoch milliseconds. */
  wallNow: () => number;
  baseUrl: string | (() => string);
  webhooks: readonly { url: string; secret: string; payload?: "snapshot" | "thin" | undefined }[];
  /** Delivers webhooks. */
  fetch: Network;
}

export type CreateEmulator<Emulator extends TestEmulator = TestEmulator> = (options: TestEmulatorOptions) => Emulator;

/** Loads `createEmulator` of the installed emulator. Throws `ConfigError` if its package is not installed. */
export async function loadEmulator(importModule?: (name: string) => Promise<unknown>): Promise<CreateEmulator> {
  const { createEmulator } = await loadEmulatorPackage<{ createEmulator: CreateEmulator }>(
    importModule,
    ", or pass createEmulator",
  );
  return createEmulator;
}
