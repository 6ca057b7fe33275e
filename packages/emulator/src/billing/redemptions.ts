/**
 * Redeems coupons and promotion codes into discounts.
 * @see https://docs.stripe.com/billing/subscriptions/coupons
 */
import { ApiError, resourceMissing } from "../core/errors.ts";
import { sum } from "../core/money.ts";
import { find, insert, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { Coupon } from "../objects/coupon.ts";
import { type Discount, type DiscountInput, type DiscountOwner, newDiscount } from "../objects/discount.ts";
import type { Invoice } from "../objects/invoice.ts";
import type { PromotionCode } from "../objects/promotion-code.ts";
import { amountOff, termsOf } from "./discounts.ts";
import type { Purchase } from "./pricing.ts";
import { isCouponValid, retrieveRedeemableCode } from "./promotion-codes.ts";

export interface Redemption {
  owner: DiscountOwner;
  purchase: Purchase;
  /** The subscription of an invoice. Its discounts can be reused, although they do not belong to the invoice. */
  within?: string | null;
  /** The coupons of the inputs, if their restrictions were checked before a payment in Checkout. They are not checked again. */
  checked?: readonly Coupon[] | undefined;
}

/** A coupon that can be redeemed, and its promotion code if there is one. */
interface Redeemable {
  coupon: Coupon;
  code: PromotionCode | null;
}

/** Redeems coupons and promotion codes, or reuses existing discounts. Returns the IDs of the new or reused discounts. */
export function redeemAll(
  context: Context,
  inputs: readonly DiscountInput[],
  redemption: Redemption,
  param = "discounts",
): string[] {
  return inputs.map((input, index) => {
    const at = `${param}[${index}]`;
    if (input.discount !== undefined) return retrieveReusable(context, input.discount, redemption, at).id;
    const checked = redemption.checked?.[index];
    const code = find(context, "promotion_code", input.promotion_code ?? null) ?? null;
    const redeemable = checked ? { coupon: checked, code } : retrieveRedeemable(context, input, redemption, at);
    return redeem(context, redeemable, redemption.owner).id;
  });
}

/** Returns the coupons of the inputs. Throws Stripe's error if a coupon or promotion code cannot be redeemed. */
export function checkRedeemable(
  context: Context,
  inputs: readonly DiscountInput[],
  redemption: Redemption,
  param = "discounts",
): Coupon[] {
  return inputs.map((input, index) => {
    const at = `${param}[${index}]`;
    if (input.discount === undefined) return retrieveRedeemable(context, input, redemption, at).coupon;
    return retrieveTerms(context, retrieveReusable(context, input.discount, redemption, at));
  });
}

/** Returns the inputs that can be redeemed now. A timer uses this function, because no caller can receive its error. */
export function redeemableInputs(
  context: Context,
  inputs: readonly DiscountInput[],
  redemption: Redemption,
): DiscountInput[] {
  return inputs.filter((input) => {
    try {
      checkRedeemable(context, [input], redemption);
      return true;
    } catch (error) {
      if (error instanceof ApiError) return false;
      throw error;
    }
  });
}

function retrieveRedeemable(
  context: Context,
  input: DiscountInput,
  { owner: { customer }, purchase }: Redemption,
  param: string,
): Redeemable {
  const given = Object.entries(input).filter(([, value]) => value !== undefined);
  if (given.length !== 1)
    throw new ApiError("You must pass one of coupon, discount or promotion_code.", {
      code: "parameter_missing",
      param,
    });
  const at = `${param}[${input.coupon === undefined ? "promotion_code" : "coupon"}]`;
  const { promotion_code: codeId } = input;
  const code = codeId === undefined ? null : retrieveRedeemableCode(context, codeId, { customer, purchase }, at);
  const coupon = retrieve(context, "coupon", code?.promotion.coupon ?? input.coupon ?? "", at);
  if (!isCouponValid(context, coupon))
    throw new ApiError(`Coupon expired: ${coupon.id}`, { code: "coupon_expired", param: at });
  if (coupon.amount_off !== null && amountOff(coupon, purchase.currency) === null)
    throw new ApiError(
      `The coupon ${coupon.id} takes off an amount in ${coupon.currency}. It cannot be redeemed for a purchase in ${purchase.currency}.`,
      { param: at },
    );
  return { coupon, code };
}

/**
 * Returns the redemption of an invoice. The minimum amount of a promotion code applies to the lines that the invoice has
 * now.
 */
export function redemptionForInvoice({ id, customer, currency, lines, parent }: Invoice): Redemption {
  return {
    owner: { customer, invoice: id },
    purchase: { amount: sum(lines.data.map(({ amount }) => amount)), currency },
    within: parent?.subscription_details.subscription ?? null,
  };
}

/** Returns an existing discount of the object or of one of its ancestors. */
function retrieveReusable(context: Context, id: string, { owner, within }: Redemption, param: string): Discount {
  const discount = find(context, "discount", id);
  const allowed = { ...owner, subscription: owner.subscription ?? within ?? null };
  const fields = ["invoice", "invoice_item", "subscription", "subscription_item"] as const;
  const fits =
    discount?.customer === owner.customer &&
    fields.every((field) => discount?.[field] === null || discount?.[field] === allowed[field]);
  if (!discount || !fits || discount.removed) throw resourceMissing("discount", id, `${param}[discount]`);
  return discount;
}

function retrieveTerms(context: Context, discount: Discount): Coupon {
  return termsOf(context, discount) ?? retrieve(context, "coupon", discount.source.coupon ?? "");
}

function redeem(context: Context, { coupon, code }: Redeemable, owner: DiscountOwner): Discount {
  const discount = insert(context, "discount", newDiscount(context, { coupon, code, owner }));
  const stored = find(context, "coupon", coupon.id);
  if (stored) {
    stored.times_redeemed += 1;
    stored.valid = isCouponValid(context, stored);
  }
  if (code) code.times_redeemed += 1;
  return discount;
}
