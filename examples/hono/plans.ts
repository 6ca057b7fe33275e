/** The plans. `npx tollkeeper plans push --config plans.ts` creates them at Stripe. */
import { definePlans } from "tollkeeper";

export const plans = definePlans([
  {
    id: "premium",
    name: "Premium",
    features: [{ id: "exports", name: "Export everything" }],
    prices: [
      { interval: "month", amount: 900, currency: "usd" },
      { interval: "year", amount: 9_000, currency: "usd" },
    ],
  },
]);

export default { plans };
