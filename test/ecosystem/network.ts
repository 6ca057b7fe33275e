/** Sends the requests of packages that construct their own Stripe client to an emulator in the same process. */
import { onTestFinished } from "vitest";
import type { Emulator } from "../../packages/emulator/src/index.ts";

export type Network = (input: RequestInfo | URL, init?: RequestInit) => Promise<Response>;

/** A copy of Stripe's SDK. The packages use copies of different versions. */
export interface Sdk {
  createFetchHttpClient(network: Network): object;
}

export function networkOf(emulator: Emulator): Network {
  return (input, init) => emulator.fetch(new Request(input, init));
}

/** Sets the network of a Stripe client that a package constructed. `sdk` is the package's own copy of Stripe's SDK. */
export function useNetwork(client: object, sdk: Sdk, network: Network): void {
  const { _setApiField: set } = client as { _setApiField(name: string, value: unknown): void };
  set.call(client, "httpClient", sdk.createFetchHttpClient(network));
}

/** Sets the network of all clients that a copy of Stripe's SDK creates until the test ends. */
export function useDefaultNetwork(sdk: Sdk, network: Network): void {
  const { _platformFunctions: platform } = sdk as unknown as { _platformFunctions: Platform };
  const { createDefaultHttpClient: original } = platform;
  platform.createDefaultHttpClient = () => sdk.createFetchHttpClient(network);
  onTestFinished(() => {
    platform.createDefaultHttpClient = original;
  });
}

interface Platform {
  createDefaultHttpClient: () => object;
}
