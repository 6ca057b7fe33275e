/** Decides what a checkout session has led to, for the page to which its user returns. */
import type { CheckoutSessionRecord, SubscriptionStatus } from "./records.ts";

export const CHECKOUT_OUTCOMES = ["open", "expired", "processing", "trial_started", "paid", "nothing_due"] as const;
/**
 * The outcome of a checkout. In "processing", the payment is not confirmed yet, as with a bank debit. In "nothing_due", the
 * user had nothing to pay, for example because of a discount.
 */
export type CheckoutOutcome = (typeof CHECKOUT_OUTCOMES)[number];

export function checkoutOutcome(
  { status, paymentStatus }: Pick<CheckoutSessionRecord, "status" | "paymentStatus">,
  subscription: { status: SubscriptionStatus } | null,
): CheckoutOutcome {
  if (status !== "complete") return status;
  if (subscription?.status === "trialing") return "trial_started";
  if (paymentStatus === "no_payment_required") return "nothing_due";
  return paymentStatus === "paid" ? "paid" : "processing";
}
