/** Translates the SDK's errors to `TollkeeperError`. A translated error is retryable, fixable by the user, or final. */
import Stripe from "stripe";
import { describeError, toLogText } from "../../domain/log-text.ts";
import {
  InvalidRequestError,
  PAYMENTS_UNAVAILABLE,
  PaymentError,
  TollkeeperError,
  UnavailableError,
} from "../../errors.ts";

/** Runs a call of Stripe's SDK. If the SDK throws an error, throws the corresponding `TollkeeperError`. */
export async function translateErrors<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw toTollkeeperError(error);
  }
}

/** Works like `translateErrors`, but returns null for errors that mean "not found". */
export async function translateErrorsOrNull<T>(call: () => Promise<T>, isNone = isMissing): Promise<T | null> {
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

/** Returns true if the error says that Stripe no longer has the object that a list request named as its cursor. */
export function isCursorGone(error: unknown): boolean {
  return (
    error instanceof Stripe.errors.StripeError && error.code === "resource_missing" && error.param === "starting_after"
  );
}

/** Returns the parameter whose value Stripe refused; null if the error names none. */
export function refusedParam(error: unknown): string | null {
  return error instanceof Stripe.errors.StripeInvalidRequestError ? (error.param ?? null) : null;
}

function toTollkeeperError(error: unknown): unknown {
  // If Stripe's SDK throws an error before it sends the request, a retry would fail again.
  if (error instanceof URIError)
    return new InvalidRequestError(
      "invalid_request",
      "A text contains an unpaired surrogate (invalid Unicode). Send valid text.",
      { cause: error },
    );
  if (!(error instanceof Stripe.errors.StripeError)) return error;
  const log = logFieldsOf(error);
  const options = { cause: error, log, userMessage: PAYMENTS_UNAVAILABLE };
  // Stripe writes the messages of declined cards for the cardholder.
  if (error instanceof Stripe.errors.StripeCardError) return new PaymentError(error.message, { cause: error, log });
  const because = describe(log);
  const status = error.statusCode ?? 0;
  if (status === 401 || status === 403)
    return new UnavailableError(
      "stripe_unavailable",
      `Stripe rejected the secret key${because}. Check STRIPE_SECRET_KEY and its permissions.`,
      options,
    );
  if (status === 0 || status >= 500 || status === 429 || status === 409)
    return new UnavailableError("stripe_unavailable", `Stripe is unavailable${because}. Retry later.`, {
      ...options,
      settled: status >= 500 && error.headers?.["idempotent-replayed"] === "true",
    });
  // Stripe knows the idempotency key from a request with other parameters, perhaps from another version of the service. The
  // outcome that Stripe stored under this idempotency key belongs to the other request, so it can't be used.
  if (error instanceof Stripe.errors.StripeIdempotencyError)
    return new UnavailableError(
      "stripe_unavailable",
      `Stripe has a different request under the same idempotency key${because}. Retry later.`,
      { ...options, settled: true },
    );
  return new TollkeeperError(400, "stripe_rejected", `Stripe refused the request${because}.`, {
    ...options,
    userMessage: REFUSED,
  });
}

const REFUSED = "The payment service did not accept this request. Please contact support.";

/** Parameters whose value is personal. Stripe's message about such a parameter often quotes the value. */
const PERSONAL = /email|name|phone|address|shipping|metadata|description|reference|tax|comment/i;

/** Returns the fields of Stripe's error that help a developer. They contain no secret and no personal data. */
function logFieldsOf({ message, requestId, type, code, param, ...error }: Stripe.errors.StripeError) {
  const fields = {
    stripeMessage: PERSONAL.test(param ?? "") ? "" : toLogText(message),
    stripeError: code ?? type,
    stripeParam: param,
    stripeDecline: error.decline_code,
    connection: error.detail === undefined ? "" : describeError(error.detail),
    stripeRequestId: requestId,
  };
  return Object.fromEntries(
    Object.entries(fields).filter(
      (field): field is [string, string] => typeof field[1] === "string" && field[1] !== "",
    ),
  );
}

function describe({
  stripeMessage,
  connection,
  stripeError,
  stripeParam,
  stripeRequestId,
}: Record<string, string>): string {
  const facts = [
    stripeError,
    stripeParam && `parameter ${stripeParam}`,
    stripeRequestId && `Stripe request ${stripeRequestId}`,
  ].filter(Boolean);
  const texts = [stripeMessage?.replace(/\.$/, ""), connection].filter(Boolean);
  return `${texts.map((text) => `: ${text}`).join("")} (${facts.join(", ")})`;
}
