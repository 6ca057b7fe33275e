/** Declares the parts of `@tollkeeper/emulator` that the harness uses, and loads that package. */
import { ConfigError } from "../../errors.ts";

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

const PACKAGE: string = "@tollkeeper/emulator";

/**
 * Loads `createEmulator` of the optional peer dependency `@tollkeeper/emulator`. Throws `ConfigError` if the package is not
 * installed.
 */
export async function loadEmulator(
  importModule: (name: string) => Promise<unknown> = (name) => import(name),
): Promise<CreateEmulator> {
  try {
    const { createEmulator } = (await importModule(PACKAGE)) as { createEmulator: CreateEmulator };
    return createEmulator;
  } catch (error) {
    if (!isNotInstalled(error)) throw error;
    throw new ConfigError([
      `The package ${PACKAGE} is not installed. Run \`npm install --save-dev ${PACKAGE}\`, or pass createEmulator.`,
    ]);
  }
}

/**
 * Returns true if the emulator's package is missing, and false if the package is installed and one of its own imports fails.
 */
function isNotInstalled(error: unknown): boolean {
  if (!(error instanceof Error) || !("code" in error)) return false;
  return error.code === "ERR_MODULE_NOT_FOUND" && error.message.includes(`'${PACKAGE}'`);
}
