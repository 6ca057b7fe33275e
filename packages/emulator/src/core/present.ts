/** How rows look when they leave: what is derived is added, and what is shown only on request is left out. */
type Fields = Record<string, unknown>;

/** The object as the API and events show it; what stays as it is is shared with the row. */
export function present<T>(object: T): T {
  return presentAny(object) as T;
}

function presentAny(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return mapShared(value, presentAny);
  const row = value as Fields;
  let shown = row;
  for (const name in row) {
    const inner = row[name];
    if (typeof inner !== "object" || inner === null) continue;
    const presented = presentAny(inner);
    if (presented === inner) continue;
    if (shown === row) shown = { ...row };
    shown[name] = presented;
  }
  // Of what is deleted only its name is left.
  if (row["deleted"] === true) return shown;
  switch (row["object"]) {
    case "price": {
      const { tiers: _tiers, currency_options: _options, ...rest } = shown;
      return rest;
    }
    case "subscription_item":
      return { ...shown, plan: planOf(shown["price"] as PriceShown) };
    case "subscription":
      return withPlan(shown);
    default:
      return shown;
  }
}

/** The same list where nothing in it changes. */
export function mapShared(list: readonly unknown[], change: (entry: unknown) => unknown): readonly unknown[] {
  let changed: unknown[] | null = null;
  for (let at = 0; at < list.length; at += 1) {
    const entry = change(list[at]);
    if (entry === list[at]) continue;
    changed ??= [...list];
    changed[at] = entry;
  }
  return changed ?? list;
}

/** Subscriptions with one item still carry its plan and quantity themselves. */
function withPlan(row: Fields): Fields {
  const items = (row["items"] as { data: { plan: object; quantity?: number }[] }).data;
  const only = items.length === 1 ? items[0] : undefined;
  return { ...row, plan: only?.plan ?? null, ...(only && { quantity: only.quantity ?? null }) };
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
