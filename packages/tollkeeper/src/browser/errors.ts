/** Defines the errors of the browser client. Each error has a code for the app and a sentence for the app's user. */
import type { ErrorResponse } from "../wire.ts";

/** Codes of errors that the client itself detects. Errors that the service returns have the codes that the service defines. */
export type ClientErrorCode =
  | "network_error"
  | "timed_out"
  | "unexpected_answer"
  | "stripe_js_blocked"
  | "not_in_browser";

export class TollkeeperClientError extends Error {
  override readonly name = "TollkeeperClientError";
  /** The error's code: a `ClientErrorCode`, or a code of the service, such as `already_subscribed` or `unauthenticated`. */
  readonly code: string;
  /** The HTTP status; null if there was no response. */
  readonly status: number | null;
  /** The request's id in the service's log; null if there was no response. */
  readonly requestId: string | null;
  /** The requests that are possible instead of the refused request; null if the service lists none. */
  readonly possible: ErrorResponse["error"]["possible"] | null;

  constructor(
    code: string,
    message: string,
    rest: { status?: number; requestId?: string; possible?: ErrorResponse["error"]["possible"]; cause?: unknown } = {},
  ) {
    super(message, { cause: rest.cause });
    this.code = code;
    this.status = rest.status ?? null;
    this.requestId = rest.requestId ?? null;
    this.possible = rest.possible ?? null;
  }
}

const NOT_SET_UP = "This page is not set up correctly. Please contact support.";
const NOT_SOLD = "This plan is not available. Reload the page and choose another plan.";
const NOT_ACCEPTED = "The service did not accept this. Please contact support.";

/**
 * Maps error codes to sentences that the app can show to its users. The sentences for users replace error messages of the
 * service, which are meant for developers. For other codes, such as `stripe_unavailable`, the service's message is already for
 * users.
 */
const SENTENCES: Record<string, string> = {
  unauthenticated: "Please sign in to continue.",
  internal_error: "Something went wrong. Please try again.",
  account_unconfirmed: "Payments are unavailable at the moment. Please try again later.",
  store_unavailable: "The service is unavailable at the moment. Please try again later.",
  sign_in_unavailable: "Your sign-in cannot be checked at the moment. Please try again later.",
  sign_in_misconfigured: "Your sign-in cannot be checked. Please contact support.",
  price_not_ready: "This plan is unavailable at the moment. Please try again later.",
  overloaded: "The service is unavailable at the moment. Please try again later.",
  invalid_config: NOT_SET_UP,
  origin_not_allowed: NOT_SET_UP,
  invalid_url: NOT_SET_UP,
  body_already_read: NOT_SET_UP,
  unknown_plan: NOT_SOLD,
  unknown_price: NOT_SOLD,
  plan_retired: NOT_SOLD,
  invalid_request: NOT_ACCEPTED,
  payload_too_large: NOT_ACCEPTED,
  not_found: "This was not found in your account. Reload the page, or contact support.",
  ambiguous_subscription: "You have several subscriptions. Choose one of them.",
};

/** Creates the error for an error response. The cause of the error is the failure of `getToken`, if there was one. */
export function fromErrorResponse(
  status: number,
  { error }: ErrorResponse,
  tokenFailure: unknown,
): TollkeeperClientError {
  const message = SENTENCES[error.code] ?? error.message;
  const { requestId, possible } = error;
  return new TollkeeperClientError(error.code, message, { status, requestId, possible, cause: tokenFailure });
}

export function unexpectedResponse(status: number): TollkeeperClientError {
  return new TollkeeperClientError(
    "unexpected_answer",
    "The service returned an unexpected response. Please try again.",
    { status },
  );
}

export function noToken(): TollkeeperClientError {
  return new TollkeeperClientError("timed_out", "Your sign-in took too long. Please try again.");
}

export function noResponse(cause: unknown): TollkeeperClientError {
  const timedOut = cause instanceof DOMException && cause.name === "TimeoutError";
  return timedOut
    ? new TollkeeperClientError("timed_out", "The service took too long to respond. Please try again.", { cause })
    : new TollkeeperClientError("network_error", "You seem to be offline. Check your connection and try again.", {
        cause,
      });
}
