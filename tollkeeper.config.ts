/** What `npm start` and `tollkeeper serve` sell from this folder with real keys. Write your own plans here. */
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
