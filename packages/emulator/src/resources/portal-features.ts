/**
 * Checks the features of portal configurations.
 * @see https://docs.stripe.com/api/customer_portal/configurations/create
 */
import { ApiError } from "../core/errors.ts";
import { retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { PortalConfiguration } from "../objects/portal-configuration.ts";

type Features = PortalConfiguration["features"];

/** Throws if features contradict each other, or name a product or price that does not exist. */
export function checkFeatures(context: Context, features: Features): void {
  checkCancellation(features.subscription_cancel);
  for (const [index, entry] of (features.subscription_update.products ?? []).entries())
    checkProduct(context, entry, `features[subscription_update][products][${index}]`);
}

/**
 * Stripe's documentation says that `always_invoice` results in an error, and that only cancellations with the mode
 * `immediately` create prorations. The messages are the emulator's own.
 */
function checkCancellation({ mode, proration_behavior: prorations }: Features["subscription_cancel"]): void {
  const param = "features[subscription_cancel][proration_behavior]";
  if (prorations === "always_invoice")
    throw new ApiError("Cancellations in the portal can't have the proration behavior `always_invoice`.", { param });
  if (prorations === "create_prorations" && mode !== "immediately")
    throw new ApiError("The proration behavior `create_prorations` requires the mode `immediately`.", { param });
}

function checkProduct(
  context: Context,
  entry: NonNullable<Features["subscription_update"]["products"]>[number],
  at: string,
): void {
  const product = retrieve(context, "product", entry.product, `${at}[product]`);
  for (const [index, id] of entry.prices.entries()) {
    const param = `${at}[prices][${index}]`;
    const price = retrieve(context, "price", id, param);
    if (price.product !== product.id)
      throw new ApiError(`The price ${id} does not belong to the product ${product.id}.`, { param });
  }
  const { maximum, minimum } = entry.adjustable_quantity;
  if (maximum !== null && maximum < minimum)
    throw new ApiError("The `maximum` of an adjustable quantity can't be less than its `minimum`.", {
      param: `${at}[adjustable_quantity][maximum]`,
    });
}
