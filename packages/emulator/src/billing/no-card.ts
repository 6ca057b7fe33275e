/** Stripe's error for a payment of a customer who has no card. */
import { ApiError } from "../core/errors.ts";

export function noCard(): ApiError {
  return new ApiError(
    "This customer has no attached payment source or default payment method. Please consider adding a default payment method. For more information, visit https://stripe.com/docs/billing/subscriptions/payment-methods-setting#payment-method-priority.",
    { code: "resource_missing" },
  );
}
