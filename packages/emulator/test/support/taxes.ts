/** Sets up sellers, customers and prices for the tests of taxes. */
import type Stripe from "stripe";
import type { TaxSettings } from "../../src/index.ts";
import { createSdk, type Sdk } from "./sdk.ts";

/** A seller in Germany that is registered in Germany, France and California, and not in Spain. */
export const SELLER: TaxSettings = {
  country: "DE",
  rates: [
    { country: "DE", percentage: 19 },
    { country: "DE", percentage: 7, tax_code: "txcd_35010000" },
    { country: "FR", percentage: 20 },
    { country: "ES", percentage: 21, registered: false },
    { country: "US", state: "CA", percentage: 7.25 },
    { country: "US", postal_code: "94107", percentage: 7.25 },
    { country: "US", postal_code: "94107", percentage: 1.375, display_name: "City Tax" },
  ],
};

export const createTaxSdk = (tax: TaxSettings = SELLER): Sdk => createSdk({ tax });

export interface TaxedSale {
  amount?: number;
  behavior?: "exclusive" | "inclusive" | "unspecified";
  country?: string | null;
  postalCode?: string;
  taxCode?: string;
  taxIds?: { type: "eu_vat" | "gb_vat"; value: string }[];
  exempt?: "none" | "exempt" | "reverse";
}

/** Creates a monthly price and a customer with a saved card in a country. */
export async function taxedSale(stripe: Stripe, sale: TaxedSale = {}) {
  const { amount = 1_000, behavior = "exclusive", country = "DE", postalCode, taxCode, taxIds, exempt } = sale;
  const product = await stripe.products.create({ name: "Premium", ...(taxCode && { tax_code: taxCode }) });
  const price = await stripe.prices.create({
    product: product.id,
    currency: "eur",
    unit_amount: amount,
    recurring: { interval: "month" },
    tax_behavior: behavior,
  });
  const customer = await stripe.customers.create({
    email: "ada@example.com",
    payment_method: "pm_card_visa",
    invoice_settings: { default_payment_method: "pm_card_visa" },
    ...(country && { address: { country, ...(postalCode && { postal_code: postalCode }) } }),
    ...(taxIds && { tax_id_data: taxIds }),
    ...(exempt && { tax_exempt: exempt }),
  });
  return { product, price, customer };
}

/** Creates a subscription with automatic tax, and returns it with its first invoice. */
export async function subscribeWithTax(stripe: Stripe, sale: TaxedSale = {}) {
  const { price, customer } = await taxedSale(stripe, sale);
  const subscription = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id }],
    automatic_tax: { enabled: true },
    expand: ["latest_invoice"],
  });
  return { subscription, customer, price, invoice: subscription.latest_invoice as Stripe.Invoice };
}
