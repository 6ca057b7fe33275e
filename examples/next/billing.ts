/** Creates the service for all routes of the Next app. Stripe's keys come from environment variables. */
import { createTollkeeper, definePlans, optionsFromEnvironment, type Tollkeeper } from "tollkeeper";

const shared = globalThis as { tollkeeper?: Tollkeeper };

/**
 * Returns the service. Creates the service on first use, because `next build` runs without keys. All bundles and hot reloads
 * share one service.
 */
export function billing(): Tollkeeper {
  shared.tollkeeper ??= createTollkeeper({
    ...optionsFromEnvironment(process.env),
    plans: definePlans([
      {
        id: "premium",
        name: "Premium",
        features: [{ id: "exports", name: "Export everything" }],
        prices: [
          { interval: "month", amount: 900, currency: "usd" },
          { interval: "year", amount: 9_000, currency: "usd" },
        ],
      },
    ]),
  });
  return shared.tollkeeper;
}
