/**
 * The plans of `npm start` and `tollkeeper serve` in this folder, with real keys. Replace these example plans with your own.
 */
import { definePlans } from "./packages/tollkeeper/src/index.ts";

export default {
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
};
