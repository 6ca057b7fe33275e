/** How rows look when they leave: what is derived is added, and what is shown only on request is left out. */
import { copy } from "./copy.ts";

/** A copy of the object as the API and events show it. */
export function present<T>(object: T): T {
  const shown = copy(object);
  if (typeof shown === "object" && shown !== null) presentInside(shown);
  return shown;
}

function presentInside(value: object): void {
  const row = value as Record<string, unknown>;
  for (const name of Object.keys(row)) {
    const inner = row[name];
    if (typeof inner === "object" && inner !== null) presentInside(inner);
  }
  switch (row["object"]) {
    case "price":
      delete row["tiers"];
      delete row["currency_options"];
      break;
    case "subscription_item":
      row["plan"] = planOf(row["price"] as PriceShown);
      break;
    case "subscription":
      addPlan(row);
      break;
    default:
  }
}

/** Subscriptions with one item still carry its plan and quantity themselves. */
function addPlan(row: Record<string, unknown>): void {
  const items = (row["items"] as { data: { plan: object; quantity?: number }[] }).data;
  const only = items.length === 1 ? items[0] : undefined;
  row["plan"] = only?.plan ?? null;
  if (only) row["quantity"] = only.quantity ?? null;
}

interface PriceShown {
  id: string;
  active: boolean;
  billing_scheme: string;
  created: number;
  currency: string;
  metadata: Record<string, string>;
  nickname: string | null;
  product: string;
  recurring: {
    interval: string;
    interval_count: number;
    meter: string | null;
    trial_period_days: number | null;
    usage_type: string;
  } | null;
  tiers_mode?: string | null;
  transform_quantity: object | null;
  unit_amount: number | null;
  unit_amount_decimal: string | null;
}

/** The price under its older name. @see https://docs.stripe.com/api/plans */
export function planOf(price: PriceShown) {
  const { recurring } = price;
  return {
    id: price.id,
    object: "plan" as const,
    active: price.active,
    amount: price.unit_amount,
    amount_decimal: price.unit_amount_decimal,
    billing_scheme: price.billing_scheme,
    created: price.created,
    currency: price.currency,
    interval: recurring?.interval ?? "month",
    interval_count: recurring?.interval_count ?? 1,
    livemode: false,
    metadata: price.metadata,
    meter: recurring?.meter ?? null,
    nickname: price.nickname,
    product: price.product,
    tiers_mode: price.tiers_mode,
    transform_usage: price.transform_quantity,
    trial_period_days: recurring?.trial_period_days ?? null,
    usage_type: recurring?.usage_type ?? "licensed",
  };
}
