/** Refuses parameters that Stripe removed, and for which Stripe has an error code of its own. */
import { ApiError } from "./errors.ts";

const INTENTS = /^\/v1\/(payment_intents(\/:id(\/confirm)?)?|setup_intents(\/:id)?)$/;

/**
 * Returns the error for a removed parameter; null if none of the unknown parameters was removed.
 * @see https://docs.stripe.com/changelog/endive/2026-09-30/removes-the-payment-method-types-parameter-from-payment-intents-and-setup-intents
 */
export function removedParamError(path: string, unknown: readonly string[]): ApiError | null {
  if (!INTENTS.test(path) || !unknown.includes("payment_method_types")) return null;
  return new ApiError(
    "The parameter `payment_method_types` is no longer supported. Use dynamic payment methods, `allowed_payment_method_types` or `excluded_payment_method_types` instead.",
    { code: "payment_method_types_no_longer_supported", param: "payment_method_types" },
  );
}
