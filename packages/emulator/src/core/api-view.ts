/**
 * Converts stored rows to the form that API responses and events have. Adds derived fields to a row, and removes fields that
 * responses include only if a request expands them.
 */
type Fields = Record<string, unknown>;

/**
 * Returns an object in the form that API responses and events have. The returned object reuses the unchanged nested values of
 * the stored row.
 */
export function toApiView<T>(object: T): T {
  return viewOf(object) as T;
}

function viewOf(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return mapIfChanged(value, viewOf);
  const row = value as Fields;
  let shown = row;
  for (const name in row) {
    const inner = row[name];
    if (typeof inner !== "object" || inner === null) continue;
    const presented = viewOf(inner);
    if (presented === inner) continue;
    if (shown === row) shown = { ...row };
    shown[name] = presented;
  }
  // The response for a deleted object needs no derived fields.
  if (row["deleted"] === true) return shown;
  switch (row["object"]) {
    case "price": {
      const { tiers: _tiers, currency_options: _options, ...rest } = shown;
      return rest;
    }
    case "coupon": {
      const { applies_to: _products, currency_options: _options, ...rest } = shown;
      return rest;
    }
    case "discount": {
      const { terms: _terms, used_by: _usedBy, removed: _removed, ...rest } = shown;
      return rest;
    }
    case "promotion_code": {
      const { currency_options: _options, ...restrictions } = shown["restrictions"] as Fields;
      return { ...shown, restrictions };
    }
    case "item": {
      const { discount_amounts: _discounts, taxes: _taxes, ...rest } = shown;
      return rest;
    }
    case "subscription_item":
      return { ...shown, plan: toPlan(shown["price"] as PriceView) };
    case "subscription":
      return withPlan(shown);
    default:
      return shown;
  }
}

/** Applies the function `change` to each entry of a list. Returns the original list, not a copy, if no entry changes. */
export function mapIfChanged(list: readonly unknown[], change: (entry: unknown) => unknown): readonly unknown[] {
  let changed: unknown[] | null = null;
  for (let at = 0; at < list.length; at += 1) {
    const entry = change(list[at]);
    if (entry === list[at]) continue;
    changed ??= [...list];
    changed[at] = entry;
  }
  return changed ?? list;
}

/**
 * Adds the fields `plan` and `quantity` to a subscription with one item. Stripe still sends `plan` and `quantity` for
 * subscriptions with one item.
 */
function withPlan(row: Fields): Fields {
  const items = (row["items"] as { data: { plan: object; quantity?: number }[] }).data;
  const only = items.length === 1 ? items[0] : undefined;
  return { ...row, plan: only?.plan ?? null, ...(only && { quantity: only.quantity ?? null }) };
}

interface PriceView {
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

/**
 * Returns the plan that Stripe would show for a price. Plans are the older form of recurring prices.
 * @see https://docs.stripe.com/api/plans
 */
export function toPlan(price: PriceView) {
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
