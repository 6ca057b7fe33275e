/** The plans of the demo. */
import { definePlans, type Plans } from "../../../packages/tollkeeper/src/domain/plans.ts";

export const DEMO_PLANS: Plans = definePlans([
  {
    id: "premium",
    name: "Premium",
    description: "For people who write every day.",
    features: [
      { id: "exports", name: "Export all notes to CSV" },
      { id: "history", name: "Every version of every note" },
      { id: "themes", name: "Night and paper themes" },
    ],
    prices: [
      { interval: "month", amount: 900, currency: "usd" },
      { interval: "year", amount: 9_000, currency: "usd" },
    ],
  },
  {
    id: "studio",
    name: "Studio",
    description: "For people who write together.",
    features: [
      { id: "exports", name: "Export all notes to CSV" },
      { id: "history", name: "Every version of every note" },
      { id: "themes", name: "Night and paper themes" },
      { id: "sharing", name: "Shared notebooks" },
    ],
    prices: [
      { interval: "month", amount: 2_400, currency: "usd", trialDays: 14 },
      { interval: "year", amount: 24_000, currency: "usd", trialDays: 14 },
    ],
  },
]);
