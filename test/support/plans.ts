/** Defines the plans that the tests and the simulation use. */
import { definePlans } from "../../packages/tollkeeper/src/index.ts";

export const PLANS = definePlans([
  {
    id: "premium",
    name: "Premium",
    features: ["exports", "priority_support"],
    prices: [
      { interval: "month", amount: 900, currency: "usd" },
      { interval: "year", amount: 9_000, currency: "usd" },
    ],
  },
  {
    id: "team",
    name: "Team",
    features: ["exports", "seats"],
    prices: [{ interval: "month", amount: 2_900, currency: "usd", trialDays: 14 }],
  },
]);
