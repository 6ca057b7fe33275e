/** Failures in the browser: each with a code for the program and a sentence for the person. */
import type { ErrorAnswer } from "../wire.ts";

/** What can go wrong here, beside the service's own codes. */
export type ClientErrorCode =
  | "network_error"
  | "timed_out"
  | "unexpected_answer"
  | "stripe_js_blocked"
  | "not_in_browser";

export class TollkeeperClientError extends Error {
  override readonly name = "TollkeeperClientError";
  /** One of `ClientErrorCode`, or the service's: `already_subscribed`, `unauthenticated`, … */
  readonly code: string;
  /** The HTTP status; null where there was no answer. */
  readonly status: number | null;
  /** Names the request in the service's log. */
  readonly requestId: string | null;

  constructor(code: string, message: string, rest: { status?: number; requestId?: string; cause?: unknown } = {}) {
    super(message, { cause: rest.cause });
    this.code = code;
    this.status = rest.status ?? null;
    this.requestId = rest.requestId ?? null;
  }
}

/** Where the service's sentence is for developers, the person reads this one. */
const SENTENCES: Record<string, string> = {
  unauthenticated: "Please sign in to continue.",
  internal_error: "Something went wrong. Please try again.",
  stripe_unavailable: "Payments can't be reached just now. Please try again in a moment.",
  store_unavailable: "The service can't be reached just now. Please try again in a moment.",
  sign_in_unavailable: "Your sign-in can't be checked just now. Please try again in a moment.",
  stripe_rejected: "The payment service did not accept this. Please contact support.",
  price_not_ready: "This plan can't be bought just now. Please try again later.",
};

export function fromAnswer(status: number, { error }: ErrorAnswer): TollkeeperClientError {
  const message = SENTENCES[error.code] ?? error.message;
  return new TollkeeperClientError(error.code, message, { status, requestId: error.requestId });
}

export function unexpectedAnswer(status: number): TollkeeperClientError {
  return new TollkeeperClientError(
    "unexpected_answer",
    "The service gave an answer that makes no sense. Please try again.",
    { status },
  );
}

export function noAnswer(cause: unknown): TollkeeperClientError {
  const timedOut = cause instanceof DOMException && cause.name === "TimeoutError";
  return timedOut
    ? new TollkeeperClientError("timed_out", "The service took too long to answer. Please try again.", { cause })
    : new TollkeeperClientError("network_error", "You seem to be offline. Check your connection and try again.", {
        cause,
      });
}
