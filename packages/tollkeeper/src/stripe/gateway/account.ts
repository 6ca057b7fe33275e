/** Retrieves the account of the secret key from Stripe. */
import Stripe from "stripe";
import { translateErrorsOrNull } from "./stripe-errors.ts";
import type { AccountCalls } from "./types.ts";

export function accountCalls(stripe: Stripe): AccountCalls {
  return {
    retrieveAccountId: () =>
      translateErrorsOrNull(async () => (await stripe.accounts.retrieveCurrent()).id, isForbidden),
  };
}

/** Returns true if the key is a restricted key without the permission for a request. */
function isForbidden(error: unknown): boolean {
  return error instanceof Stripe.errors.StripeError && error.statusCode === 403;
}
