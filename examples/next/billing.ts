/** The one place where the app sets billing up. Keys come from the environment. */
import { createTollkeeper, definePlans, optionsFromEnvironment, type Tollkeeper } from "tollkeeper";

const shared = globalThis as { tollkeeper?: Tollkeeper };

/** Made when first asked for, since `next build` runs without keys; one for all bundles and hot reloads. */
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
