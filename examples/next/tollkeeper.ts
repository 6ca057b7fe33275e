/** Creates Tollkeeper for all routes of the app. The options of Tollkeeper come from environment variables. */
import { createTollkeeper, optionsFromEnvironment, type Tollkeeper } from "tollkeeper";
import { plans } from "./plans";

/** All bundles and hot reloads of Next share one service. */
const shared = globalThis as { tollkeeper?: Tollkeeper };

/** Returns the service. Creates it on first use, because `next build` runs without keys. */
export function getTollkeeper(): Tollkeeper {
  shared.tollkeeper ??= createTollkeeper({ ...optionsFromEnvironment(process.env), plans });
  return shared.tollkeeper;
}

/** Replaces the service in tests. */
export function setTollkeeper(tollkeeper: Tollkeeper): void {
  shared.tollkeeper = tollkeeper;
}
