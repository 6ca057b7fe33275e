/** Converts the items of schedule phases. @see https://docs.stripe.com/api/subscription_schedules/create */
import type { z } from "zod";
import { taxRatesOf } from "../billing/taxes.ts";
import { ApiError } from "../core/errors.ts";
import { mergeMetadata } from "../core/params.ts";
import { retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { AddedItem, Phase, PhaseItem } from "../objects/subscription-schedule.ts";
import { addedPrice, type phaseAddedItem } from "./added-items.ts";
import { commonCurrency } from "./chosen-price.ts";
import type { discounts } from "./shared-params.ts";

type AddedInput = z.output<typeof phaseAddedItem>;

export function addedItemsFrom(
  context: Context,
  items: readonly AddedInput[] | undefined,
  { billed, param }: { billed: string; param: string },
): AddedItem[] {
  return (items ?? []).map((added, position) => ({
    discountable: added.discountable ?? true,
    discounts: phaseDiscounts(added.discounts),
    metadata: mergeMetadata({}, added.metadata),
    period: { end: { type: "min_item_period_end" }, start: { type: "phase_start" } },
    price: addedPrice(context, added, billed, `${param}[add_invoice_items][${position}]`).id,
    quantity: added.quantity ?? 1,
    tax_rates: taxRatesOf(context, added.tax_rates, `${param}[add_invoice_items][${position}][tax_rates]`),
  }));
}

export function currencyOfItems(
  context: Context,
  items: readonly PhaseItem[],
  { wanted, param }: { wanted: string | undefined; param: string },
): string {
  const prices = items.map((item, at) => ({
    price: retrieve(context, "price", item.price),
    param: `${param}[items][${at}][price]`,
  }));
  return commonCurrency(prices, wanted) ?? "usd";
}

/** Throws if a phase has another currency than the first phase, because the currency of a subscription never changes. */
export function checkPhaseCurrency({ currency: wanted }: Phase, first: Phase, param: string): void {
  if (wanted === first.currency) return;
  throw new ApiError(
    `All phases of a subscription schedule must have the same currency. Found \`${wanted}\` and \`${first.currency}\`.`,
    { param: `${param}[currency]` },
  );
}

export function phaseDiscounts(given: z.output<typeof discounts>) {
  return (given ?? []).map((discount) => ({
    coupon: discount.coupon ?? null,
    discount: discount.discount ?? null,
    promotion_code: discount.promotion_code ?? null,
  }));
}
