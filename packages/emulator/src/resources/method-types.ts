/**
 * The parameters that limit the types of payment methods. The emulator accepts limits that allow cards, because it has no other
 * payment methods.
 * @see https://docs.stripe.com/payments/payment-methods/dynamic-payment-methods
 */
import { z } from "zod";
import { ApiError } from "../core/errors.ts";
import { text } from "../core/params.ts";

export const methodTypes = {
  allowed_payment_method_types: z.array(text).optional(),
  excluded_payment_method_types: z.array(text).optional(),
};

interface GivenTypes {
  allowed_payment_method_types?: string[] | undefined;
  excluded_payment_method_types?: string[] | undefined;
}

interface LimitedByType {
  allowed_payment_method_types: string[] | null;
  /** Checkout sessions lack the field if nothing is excluded. */
  excluded_payment_method_types?: string[] | null;
}

/** Sets the limits of an intent or a checkout session. Throws if the limits forbid cards. */
export function setMethodTypes(intent: LimitedByType, given: GivenTypes): void {
  const { allowed_payment_method_types: allowed, excluded_payment_method_types: excluded } = given;
  if (allowed?.length && !allowed.includes("card")) throw cardsOnly("allowed_payment_method_types");
  if (excluded?.includes("card")) throw cardsOnly("excluded_payment_method_types");
  if (allowed !== undefined) intent.allowed_payment_method_types = allowed;
  if (excluded !== undefined) intent.excluded_payment_method_types = excluded;
}

function cardsOnly(param: string): ApiError {
  return new ApiError(`The emulator implements only cards, and the parameter ${param} forbids them.`, {
    status: 501,
    type: "api_error",
    code: "parameter_not_implemented",
    param,
  });
}
