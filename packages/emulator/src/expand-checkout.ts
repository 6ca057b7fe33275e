/** The fields of checkout sessions and their items that a response includes only if the request expands them. */
import { checkoutLines, type CheckoutLine, orderOf } from "./billing/checkout.ts";
import { couponsOf } from "./billing/checkout-discounts.ts";
import { taxesWithRates } from "./billing/checkout-taxes.ts";
import type { CheckoutOrder } from "./core/records.ts";
import { find, listAll } from "./core/rows.ts";
import type { Context } from "./core/state.ts";
import type { CheckoutSession } from "./objects/checkout-session.ts";
import { newDiscount } from "./objects/discount.ts";
import { sumTaxes } from "./objects/line-taxes.ts";

/** Returns the taxes of a checkout item; an empty list if no session has the item. */
export function taxesOfItem(context: Context, id: string) {
  for (const [sessionId, order] of context.account.checkoutOrders) {
    const session = order.items.some((item) => item.id === id) && find(context, "checkout.session", sessionId);
    if (!session) continue;
    const line = checkoutLines(context, session, order).find((one) => one.id === id);
    return taxesWithRates(context, line?.taxes ?? []);
  }
  return [];
}

/** Returns the sums of the discounts and taxes of a checkout session. */
export function breakdownOf(context: Context, session: CheckoutSession) {
  const order = orderOf(context, session);
  const lines = checkoutLines(context, session, order);
  return { discounts: discountsOf(context, session, order, lines), taxes: taxesWithRates(context, sumTaxes(lines)) };
}

/** Returns the sums of the discounts. The lines contain the position of a discount instead of its ID. */
function discountsOf(context: Context, session: CheckoutSession, order: CheckoutOrder, lines: readonly CheckoutLine[]) {
  const amounts = lines.flatMap((line) => line.discount_amounts);
  return couponsOf(context, order).map((coupon, position) => {
    const own = amounts.filter(({ discount }) => discount === String(position));
    const owner = { customer: session.customer, checkout_session: session.id };
    const code = find(context, "promotion_code", order.discounts[position]?.promotion_code ?? null) ?? null;
    const [redeemed] = listAll(
      context,
      "discount",
      (row) => row.checkout_session === session.id && row.source.coupon === coupon.id,
    );
    // Before the redemption there is no discount yet. The copy of the state keeps later IDs independent of this request.
    const preview = () => newDiscount({ ...context, state: { ...context.state } }, { coupon, code, owner });
    return { amount: own.reduce((all, { amount }) => all + amount, 0), discount: redeemed ?? preview() };
  });
}
