/** Computes amounts from prices and quantities. @see https://docs.stripe.com/products-prices/pricing-models */
import { formatAmount, round, sum } from "../core/money.ts";
import type { Price } from "../objects/price.ts";
import { priceIn, supportsCurrency } from "./presentment.ts";

export interface PricedPart {
  amount: number;
  quantity: number;
  /** The unit price in minor units (such as cents), with all of its decimals. */
  unitAmountDecimal: string;
  description: string;
}

/**
 * Computes the amount that a quantity costs, split into parts according to the tiers of the price. A graduated price has one
 * part per tier; any other price has a single part.
 */
export function priceParts(
  price: Price,
  quantity: number,
  name: string,
  unitLabel: string | null = null,
): PricedPart[] {
  if (price.billing_scheme === "tiered") return tieredParts(price, quantity, name);
  const unit = Number(price.unit_amount_decimal ?? 0);
  const packs = price.transform_quantity;
  const units = packs ? (packs.round === "up" ? Math.ceil : Math.floor)(quantity / packs.divide_by) : quantity;
  return [
    {
      amount: round(unit * units),
      quantity,
      unitAmountDecimal: price.unit_amount_decimal ?? "0",
      description: `${quantity} ${unitLabel ? `${unitLabel} ` : ""}× ${name} (at ${unitText(unit, price)})`,
    },
  ];
}

/** A purchase for which a coupon is redeemed: the amount before discounts in minor units, and its currency. */
export interface Purchase {
  amount: number;
  currency: string;
}

/** Adds up the amounts of a purchase. The usage of metered prices is not known yet, so it does not count. */
export function purchaseOf(
  items: readonly { price: Price; quantity?: number | undefined }[],
  currency = items[0]?.price.currency ?? "usd",
): Purchase {
  const licensed = items.filter(({ price }) => price.recurring?.usage_type !== "metered");
  return {
    amount: sum(licensed.map(({ price, quantity }) => amountFor(shownIn(price, currency), quantity ?? 1))),
    currency,
  };
}

/** Returns a price with its amounts in a currency, or the price itself if it has no amounts in this currency. */
function shownIn(price: Price, currency: string): Price {
  return supportsCurrency(price, currency) ? priceIn(price, currency) : price;
}

export function amountFor(price: Price, quantity: number): number {
  return priceParts(price, quantity, "").reduce((total, part) => total + part.amount, 0);
}

function tieredParts(price: Price, quantity: number, name: string): PricedPart[] {
  const tiers = price.tiers ?? [];
  if (price.tiers_mode === "volume") {
    const index = tiers.findIndex((tier) => tier.up_to === null || quantity <= tier.up_to);
    return tierParts(price, tiers[index], quantity, { name, label: `Tier ${index + 1}` });
  }
  let from = 0;
  const parts: PricedPart[] = [];
  for (const [index, tier] of tiers.entries()) {
    const within = Math.min(quantity, tier.up_to ?? Infinity) - from;
    if (within <= 0 && !(quantity === 0 && index === 0)) break;
    const label = index === 0 ? "Tier 1" : `Tier ${index + 1}`;
    parts.push(...tierParts(price, tier, Math.max(0, within), { name, label }));
    from = tier.up_to ?? Infinity;
  }
  return parts;
}

type Tier = NonNullable<Price["tiers"]>[number];

function tierParts(
  price: Price,
  tier: Tier | undefined,
  quantity: number,
  { name, label }: { name: string; label: string },
): PricedPart[] {
  if (!tier) return [];
  const unit = Number(tier.unit_amount_decimal ?? 0);
  const flat = Number(tier.flat_amount_decimal ?? 0);
  const parts = [
    {
      amount: round(unit * quantity),
      quantity,
      unitAmountDecimal: tier.unit_amount_decimal ?? "0",
      description: `${quantity} × ${name} (${label} at ${unitText(unit, price)})`,
    },
  ];
  if (flat === 0) return parts;
  const description = `${name} (${label} flat fee)`;
  return [
    ...parts,
    { amount: round(flat), quantity: 1, unitAmountDecimal: tier.flat_amount_decimal ?? "0", description },
  ];
}

/** Returns the text of a unit price: "$9.00 / month", "$9.00 / 3 months", or "$9.00" for a one-time price. */
function unitText(unit: number, { currency, recurring }: Price): string {
  const amount = formatAmount(unit, currency);
  if (!recurring) return amount;
  const { interval, interval_count: count } = recurring;
  return `${amount} / ${count === 1 ? interval : `${count} ${interval}s`}`;
}
