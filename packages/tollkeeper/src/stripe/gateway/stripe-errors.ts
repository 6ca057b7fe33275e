/** Stripe's errors in our words: what may be retried, what the user can mend, and what is over. */
import Stripe from "stripe";
import { InvalidRequestError, PaymentError, TollkeeperError, UnavailableError } from "../../errors.ts";

/** Runs a call and turns what Stripe throws into a `TollkeeperError`. */
export async function guarded<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw toTollkeeperError(error);
  }
}

/** As `guarded`, and null where Stripe has none: of such an object, if nothing else is said. */
export async function guardedOrNull<T>(call: () => Promise<T>, isNone = isMissing): Promise<T | null> {
  try {
    return await call();
  } catch (error) {
    if (isNone(error)) return null;
    throw toTollkeeperError(error);
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Stripe.errors.StripeError && error.statusCode === 404;
}

/** The object that a list was to go on from. */
export function isCursorGone(error: unknown): boolean {
  return (
    error instanceof Stripe.errors.StripeError && error.code === "resource_missing" && error.param === "starting_after"
  );
}

function toTollkeeperError(error: unknown): unknown {
  // Thrown before anything was sent: trying again would throw again.
  if (error instanceof URIError)
    return new InvalidRequestError("invalid_request", "A text is cut in the middle of a character.", { cause: error });
  if (!(error instanceof Stripe.errors.StripeError)) return error;
  const request = error.requestId ? ` (Stripe request ${error.requestId})` : "";
  if (error instanceof Stripe.errors.StripeCardError) return new PaymentError(error.message, { cause: error });
  const status = error.statusCode ?? 0;
  if (status === 401 || status === 403)
    return new UnavailableError(
      "stripe_unavailable",
      `Stripe refuses the secret key${request}: check STRIPE_SECRET_KEY and its permissions.`,
      { cause: error },
    );
  if (status === 0 || status >= 500 || status === 429 || status === 409)
    return new UnavailableError("stripe_unavailable", `Stripe can't answer now${request}. Try again in a moment.`, {
      cause: error,
      settled: status >= 500 && error.headers?.["idempotent-replayed"] === "true",
    });
  // The key holds the outcome of a request that was worded otherwise, by another version perhaps: it tells no more.
  if (error instanceof Stripe.errors.StripeIdempotencyError)
    return new UnavailableError(
      "stripe_unavailable",
      `Stripe has kept another request${request}. Try again in a moment.`,
      {
        cause: error,
        settled: true,
      },
    );
  return new TollkeeperError(
    400,
    "stripe_rejected",
    `Stripe refused the request${request}: ${error.code ?? error.type}.`,
    {
      cause: error,
    },
  );
}
