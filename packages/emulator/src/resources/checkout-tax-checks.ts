/** Checks the taxes of new checkout sessions. @see https://docs.stripe.com/tax/checkout */
import { checkTaxes } from "../billing/automatic-tax.ts";
import { checkoutPlace } from "../billing/checkout-taxes.ts";
import { taxRatesOf } from "../billing/taxes.ts";
import { ApiError } from "../core/errors.ts";
import type { CheckoutOrder } from "../core/records.ts";
import { retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { CheckoutSession } from "../objects/checkout-session.ts";

/** Throws if the taxes of a session contradict each other, or if its customer can't get the address or tax ID that it needs. */
export function checkSessionTaxes(context: Context, session: CheckoutSession, order: CheckoutOrder): void {
  checkTaxes(context, {
    automatic: session.automatic_tax.enabled,
    sold: order.items.map(({ price, taxRates }, index) => ({
      price: retrieve(context, "price", price),
      taxRates: taxRatesOf(context, taxRates, `line_items[${index}][tax_rates]`),
    })),
    defaultTaxRates: taxRatesOf(context, order.defaultTaxRates, "subscription_data[default_tax_rates]"),
  });
  if (session.customer === null) return;
  const { address, name } = order.customerUpdate ?? {};
  if (session.automatic_tax.enabled && address !== "auto" && !checkoutPlace(context, session, order))
    throw new ApiError(
      "Automatic tax calculation in Checkout requires a valid address on the Customer. Add a valid address to the Customer or set `customer_update[address]` to 'auto' to save the billing address entered in Checkout to the Customer.",
      { code: "customer_tax_location_invalid" },
    );
  if (session.tax_id_collection.enabled && name !== "auto")
    throw new ApiError(
      "Tax ID collection requires updating business name on the customer. To enable tax ID collection for an existing customer, please set `customer_update[name]` to `auto`.",
    );
}
