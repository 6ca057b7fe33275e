/** Every error this package throws on purpose: a closed list of codes, each with the HTTP status it travels under. */

export type ErrorCode =
  | "invalid_config"
  | "invalid_request"
  | "invalid_url"
  | "unknown_plan"
  | "unknown_price"
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
  | "stripe_rejected"
  | "stripe_unavailable"
  | "store_unavailable"
  | "overloaded"
  | "sign_in_unavailable"
  | "body_already_read"
  | "internal_error";

export type ErrorStatus = 400 | 401 | 402 | 403 | 404 | 409 | 413 | 500 | 503;

export interface ErrorOptions {
  cause?: unknown;
  /** What the caller may show or follow next, such as the portal's route. Never a secret. */
  details?: Readonly<Record<string, string>>;
}

/** Base of all expected failures. `retryable` says whether the same call may succeed later, unchanged. */
export class TollkeeperError extends Error {
  override readonly name: string = "TollkeeperError";
  readonly code: ErrorCode;
  readonly status: ErrorStatus;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, string>> | undefined;

  constructor(status: ErrorStatus, code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.status = status;
    this.code = code;
    this.retryable = status === 503;
    this.details = options.details;
  }
}

/** The configuration is missing something or contradicts itself. Thrown at start only; lists every problem at once. */
export class ConfigError extends TollkeeperError {
  override readonly name = "ConfigError";
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(500, "invalid_config", `The configuration can't be used:\n${problems.map((p) => `  - ${p}`).join("\n")}`);
    this.problems = problems;
  }
}

/** 400: the request itself is wrong; the message names the field. */
export class InvalidRequestError extends TollkeeperError {
  override readonly name = "InvalidRequestError";
  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(400, code, message, options);
  }
}

/** 401: no token, or one that proves nothing. */
export class UnauthenticatedError extends TollkeeperError {
  override readonly name = "UnauthenticatedError";
  constructor(message: string, options?: ErrorOptions) {
    super(401, "unauthenticated", message, options);
  }
}

/** 402: Stripe declined the payment; the message is Stripe's own sentence for the cardholder. */
export class PaymentError extends TollkeeperError {
  override readonly name = "PaymentError";
  constructor(message: string, options?: ErrorOptions) {
    super(402, "payment_failed", message, options);
  }
}

/** 403: who asks may not. */
export class ForbiddenError extends TollkeeperError {
  override readonly name = "ForbiddenError";
  constructor(code: "origin_not_allowed", message: string) {
    super(403, code, message);
  }
}

/** 404: not there, or not the caller's: the two are told apart for nobody. */
export class NotFoundError extends TollkeeperError {
  override readonly name = "NotFoundError";
  constructor(code: "not_found" | "no_customer", message: string) {
    super(404, code, message);
  }
}

/** 409: it clashes with what is there already. */
export class ConflictError extends TollkeeperError {
  override readonly name = "ConflictError";
  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(409, code, message, options);
  }
}

/** 503: Stripe, the store or the sign-in's keys can't be reached now. Nothing was half-written; try again. */
export class UnavailableError extends TollkeeperError {
  override readonly name = "UnavailableError";
  /** Stripe has stored this failure under the idempotency key: the same key will only hear it again. */
  readonly settled: boolean;
  constructor(
    code:
      | "stripe_unavailable"
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
