/** Defines every error that this package throws on purpose. Each error has an HTTP status and a code from a fixed list. */

export type ErrorCode =
  | "invalid_config"
  | "invalid_request"
  | "invalid_url"
  | "unknown_plan"
  | "unknown_price"
  | "plan_retired"
  | "unauthenticated"
  | "origin_not_allowed"
  | "payment_failed"
  | "not_found"
  | "no_customer"
  | "already_subscribed"
  | "not_cancelable"
  | "not_resumable"
  | "operation_in_progress"
  | "price_not_ready"
  | "ambiguous_subscription"
  | "payload_too_large"
  | "too_many_requests"
  | "stripe_rejected"
  | "stripe_unavailable"
  | "account_unconfirmed"
  | "store_unavailable"
  | "overloaded"
  | "sign_in_unavailable"
  | "sign_in_misconfigured"
  | "body_already_read"
  | "internal_error";

/** The sentence for the app's user if the service gets no usable response from Stripe. */
export const PAYMENTS_UNAVAILABLE = "Payments are unavailable at the moment. Please try again later.";

export type ErrorStatus = 400 | 401 | 402 | 403 | 404 | 409 | 413 | 429 | 500 | 503;

export interface ErrorOptions {
  cause?: unknown;
  /**
   * The details of an error are values for the code that handles the error, such as the route to request next. Responses
   * contain the details of errors, so the details must never contain a secret.
   */
  details?: Readonly<Record<string, string>>;
  /** Sentence for the app's user, if the message is for the developer. Responses contain it instead of the message. */
  userMessage?: string;
  /** Fields for the log, such as the id of Stripe's request. They contain no secret and no personal data. */
  log?: Readonly<Record<string, string>>;
  /** The requests that are possible instead of the refused request. An empty list means that only the app's support can help. */
  possible?: readonly PossibleRequest[];
}

/** A request that the user can send instead of a refused request. */
export interface PossibleRequest {
  route: "cancel-subscription" | "create-checkout-session" | "create-portal-session" | "resume-subscription";
  /** The subscription that the request must name; undefined if the request names no subscription. */
  subscriptionId?: string;
  /** Name of the subscription's plan or product, to show to the user; undefined if the name is unknown. */
  planName?: string;
}

/** Base class of all expected errors. If an error's field `retryable` is true, a repeated call can succeed later. */
export class TollkeeperError extends Error {
  override readonly name: string = "TollkeeperError";
  readonly code: ErrorCode;
  readonly status: ErrorStatus;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, string>> | undefined;
  readonly userMessage: string | undefined;
  readonly log: Readonly<Record<string, string>> | undefined;
  readonly possible: readonly PossibleRequest[] | undefined;

  constructor(status: ErrorStatus, code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.status = status;
    this.code = code;
    this.retryable = status === 503 || status === 429;
    this.details = options.details;
    this.userMessage = options.userMessage;
    this.log = options.log;
    this.possible = options.possible;
  }
}

/**
 * The error for an invalid configuration. A `ConfigError` is thrown only at start, and its message lists all problems of the
 * configuration.
 */
export class ConfigError extends TollkeeperError {
  override readonly name = "ConfigError";
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(500, "invalid_config", `The configuration is invalid:\n${problems.map((p) => `  - ${p}`).join("\n")}`);
    this.problems = problems;
  }
}

/** Error 400: the request is invalid. The error's message names the invalid field of the request. */
export class InvalidRequestError extends TollkeeperError {
  override readonly name = "InvalidRequestError";
  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(400, code, message, options);
  }
}

/** Error 401: the token is missing or not valid. */
export class UnauthenticatedError extends TollkeeperError {
  override readonly name = "UnauthenticatedError";
  constructor(message: string, options?: ErrorOptions) {
    super(401, "unauthenticated", message, options);
  }
}

/** Error 402: Stripe declined the payment. The error's message is the sentence that Stripe wrote for the cardholder. */
export class PaymentError extends TollkeeperError {
  override readonly name = "PaymentError";
  constructor(message: string, options?: ErrorOptions) {
    super(402, "payment_failed", message, options);
  }
}

/** Error 403: the caller is not allowed to send this request. */
export class ForbiddenError extends TollkeeperError {
  override readonly name = "ForbiddenError";
  constructor(code: "origin_not_allowed", message: string) {
    super(403, code, message);
  }
}

/**
 * Error 404: the object does not exist or belongs to another user. A missing object and an object of another user get the same
 * response. So the response does not show if the object exists.
 */
export class NotFoundError extends TollkeeperError {
  override readonly name = "NotFoundError";
  constructor(code: "not_found" | "no_customer", message: string) {
    super(404, code, message);
  }
}

/** Error 409: the request conflicts with the current state, for example of the subscription. */
export class ConflictError extends TollkeeperError {
  override readonly name = "ConflictError";
  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(409, code, message, options);
  }
}

/** Error 429: the user has sent too many requests that write at Stripe. The request had no effect. */
export class TooManyRequestsError extends TollkeeperError {
  override readonly name = "TooManyRequestsError";
  /** Whole seconds after which the next request is accepted. */
  readonly retryAfterSeconds: number;
  constructor(retryAfterMs: number) {
    const seconds = Math.ceil(retryAfterMs / 1_000);
    super(429, "too_many_requests", `You have sent too many requests. Wait ${seconds} s, then retry.`);
    this.retryAfterSeconds = seconds;
  }
}

/**
 * Error 503: Stripe, the store or the issuer is unavailable. The failed call left no half-written change, so the caller can
 * retry the call.
 */
export class UnavailableError extends TollkeeperError {
  override readonly name = "UnavailableError";
  /**
   * True if Stripe has stored the failure of a request under its idempotency key. Stripe returns a stored failure for every
   * later request with its idempotency key.
   */
  readonly settled: boolean;
  constructor(
    code:
      | "stripe_unavailable"
      | "account_unconfirmed"
      | "store_unavailable"
      | "overloaded"
      | "sign_in_unavailable"
      | "operation_in_progress"
      | "price_not_ready",
    message: string,
    options: ErrorOptions & { settled?: boolean } = {},
  ) {
    super(503, code, message, options);
    this.settled = options.settled ?? false;
  }
}
