/** Formats amounts, intervals, statuses and cards for the pages. */
import { priceIn } from "../billing/presentment.ts";
import { amountFor } from "../billing/pricing.ts";
import { formatDay } from "../billing/prorations.ts";
import { formatAmount } from "../core/money.ts";
import type { PaymentMethod } from "../objects/payment-method.ts";
import type { Price } from "../objects/price.ts";

/**
 * Formats a price in a currency: "$9.00 per month", "$25.00 every 3 months", "by usage per month", or "$9.00" for a one-time
 * price. The currency defaults to the price's own currency.
 */
export function priceText(price: Price, quantity = 1, currency = price.currency): string {
  const { recurring } = price;
  const metered = recurring?.usage_type === "metered";
  const amount = metered ? "by usage" : formatAmount(amountFor(priceIn(price, currency), quantity), currency);
  return recurring ? `${amount} ${intervalText(recurring)}` : amount;
}

export function intervalText(recurring: { interval: string; interval_count: number }): string {
  const { interval, interval_count: count } = recurring;
  return count === 1 ? `per ${interval}` : `every ${count} ${interval}s`;
}

const BRANDS: Record<string, string> = {
  visa: "Visa",
  mastercard: "Mastercard",
  amex: "American Express",
  diners: "Diners Club",
  discover: "Discover",
  jcb: "JCB",
  unionpay: "UnionPay",
};

export function cardText({ card }: PaymentMethod): string {
  return `${BRANDS[card.brand] ?? card.brand} •••• ${card.last4}`;
}

export function expiryText({ card }: PaymentMethod): string {
  return `${String(card.exp_month).padStart(2, "0")}/${String(card.exp_year).slice(-2)}`;
}

/** Formats a status: "past_due" becomes "Past due". */
export function statusText(status: string): string {
  const words = status.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export function dayText(at: number): string {
  return formatDay(at).replace(/^0/, "");
}

/** Formats a card number in groups of digits: 4242 4242 4242 4242, or 3782 822463 10005 for American Express. */
export function numberText(number: string): string {
  if (number.length === 15) return number.replace(/(.{4})(.{6})/, "$1 $2 ");
  return number.replaceAll(/(.{4})(?=.)/g, "$1 ");
}

/** Formats a time in epoch seconds as UTC: 2026-01-31 12:00:00. */
export function momentText(at: number): string {
  return new Date(at * 1000).toISOString().replace("T", " ").slice(0, 19);
}
