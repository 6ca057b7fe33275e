/** Declares the inputs that new objects need: seed and time for IDs, the test clock, and the URL of the pages. */
/**
 * The values that are needed to create an object, such as seed and time. The type `Context` contains all values of the
 * interface `ObjectSource`. Modules that define objects must not import the state's type, because the state's type is built
 * from the objects' types.
 */
export interface ObjectSource {
  state: { seed: number; now: number; sellerName: string; tax: { country: string } };
  /** The ID of the test clock that sets the time; null for the emulator's own clock. */
  clock: string | null;
  /** The base URL of the emulator's pages. */
  baseUrl: string;
  account: {
    tables: {
      customer: ReadonlyMap<string, { test_clock: string | null }>;
      "test_helpers.test_clock": ReadonlyMap<string, { frozen_time: number }>;
    };
  };
}
