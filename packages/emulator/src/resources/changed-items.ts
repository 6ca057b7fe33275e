/** Changes the items of a subscription, and pays for the change. */
import type { z } from "zod";
import { checkTaxes } from "../billing/automatic-tax.ts";
import { cardError, paymentErrorOf } from "../billing/card-errors.ts";
import type { PaymentChoice } from "../billing/collection.ts";
import { cardOutcome } from "../billing/payments.ts";
import { startPendingUpdate } from "../billing/pending-updates.ts";
import {
  applyChange,
  cardForSubscription,
  type ChangePlan,
  planChange,
  type SubscriptionChange,
} from "../billing/subscription-update.ts";
import { ApiError } from "../core/errors.ts";
import { find } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { DiscountInput } from "../objects/discount.ts";
import type { Subscription } from "../objects/subscription.ts";
import type { paymentBehavior, prorationParam } from "./shared-params.ts";
import { taxedRequestOf } from "./tax-params.ts";

interface PaymentParams {
  payment_behavior?: z.output<typeof paymentBehavior>;
  off_session?: boolean | undefined;
}

/** The parameters that say how an item change is prorated and paid. */
interface ChangeParams extends PaymentParams {
  discounts?: readonly DiscountInput[] | null | undefined;
  proration_behavior?: z.output<typeof prorationParam>;
  proration_date?: number | undefined;
}

/**
 * Changes the items of a subscription, and pays for the change as `payment_behavior` says.
 * @see https://docs.stripe.com/billing/subscriptions/pending-updates
 */
export function changeItems(
  context: Context,
  subscription: Subscription,
  change: Pick<SubscriptionChange, "items" | "anchor">,
  params: ChangeParams,
): void {
  const prorationBehavior = params.proration_behavior ?? "create_prorations";
  const plan = planChange(context, subscription, {
    ...change,
    prorationBehavior,
    prorationDate: params.proration_date,
    payment: paymentChoiceOf(params),
  });
  checkPlannedTaxes(context, subscription, plan);
  const card = cardForSubscription(context, subscription);
  const fails = card === null || cardOutcome(context, card, true).kind !== "succeeds";
  // A change without an invoice needs no payment, so it takes effect at once.
  const isInvoiced = prorationBehavior === "always_invoice" || plan.restarted.length > 0;
  const isPending = params.payment_behavior === "pending_if_incomplete" && isInvoiced && fails;
  if (isPending) refusePendingDiscounts(params.discounts, plan);
  if (isPending) return void startPendingUpdate(context, subscription, plan, prorationBehavior);
  const invoice = applyChange(context, subscription, plan, prorationBehavior);
  // The error rolls the change back. A change that only gives a credit needs no payment, so the card does not matter.
  const isUnpaid = invoice?.status === "open" && invoice.collection_method === "charge_automatically";
  if (params.payment_behavior === "error_if_incomplete" && isUnpaid && card !== null)
    throwIfPaymentFails(context, card);
}

/** Returns how an invoice is paid that the request creates. */
export function paymentChoiceOf(params: PaymentParams): PaymentChoice {
  return { behavior: params.payment_behavior ?? "allow_incomplete", onSession: !params.off_session };
}

/**
 * Throws an error if a payment with the given card would not succeed at once. The payment behavior `error_if_incomplete`
 * requires that the first payment succeeds at once.
 */
export function throwIfPaymentFails(context: Context, card: string): void {
  const outcome = cardOutcome(context, card, true);
  if (outcome.kind === "succeeds") return;
  if (outcome.kind === "authenticates")
    throw new ApiError("Your card was declined. This transaction requires authentication.", {
      status: 402,
      type: "card_error",
      code: "subscription_payment_intent_requires_action",
    });
  throw cardError(paymentErrorOf(outcome), { payment_method: find(context, "payment_method", card) }, false);
}

/** Throws if the taxes of a planned subscription change contradict each other or can't be computed. */
function checkPlannedTaxes(context: Context, subscription: Subscription, { items }: ChangePlan): void {
  checkTaxes(context, taxedRequestOf({ ...subscription, items: { ...subscription.items, data: items } }));
}

/** Throws if a change that waits for its payment would redeem a coupon. The emulator cannot redeem a coupon later. */
function refusePendingDiscounts(discounts: readonly DiscountInput[] | null | undefined, plan: ChangePlan): void {
  const param = discounts === undefined ? "items[][discounts]" : "discounts";
  if (discounts === undefined && plan.discounts.size === 0) return;
  throw new ApiError(`The emulator does not implement \`${param}\` of an update that waits for its payment.`, {
    status: 501,
    type: "api_error",
    param,
  });
}
