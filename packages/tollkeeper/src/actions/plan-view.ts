/** Builds the JSON of a plan for visitors and users. */
import { fractionDigitsOf } from "../domain/money.ts";
import type { Plan } from "../domain/plans.ts";
import type { Plan as PlanView } from "../wire.ts";

export function viewPlan({ id, name, description, features, prices }: Plan): PlanView {
  return {
    id,
    name,
    description,
    features: features.map((feature) => feature.id),
    featureNames: Object.fromEntries(features.map((feature) => [feature.id, feature.name])),
    prices: prices.map((price) => ({ ...price, fractionDigits: fractionDigitsOf(price.currency) })),
  };
}
