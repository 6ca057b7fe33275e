/** Converts errors to the JSON of error responses, which is the same for all routes. */
import type { Context } from "hono";
import { TollkeeperError, TooManyRequestsError, type ErrorCode, type ErrorStatus } from "../errors.ts";
import type { Runtime } from "../runtime.ts";
import type { ErrorResponse } from "../wire.ts";
import type { HttpEnv } from "./request-log.ts";

const RETRY_AFTER_SECONDS = "1";

/**
 * Returns the HTTP response for an error that a route threw. The response to an expected error contains the error's code and
 * message. Any other error is a bug, and the response is a 500 without details.
 */
export function respondToError(log: Runtime["log"], error: Error, c: Context<HttpEnv>): Response {
  const requestId = c.get("requestId");
  if (!(error instanceof TollkeeperError)) {
    log.error({ requestId, error: error.stack ?? String(error) }, "request failed: unexpected error");
    const message = "The service failed unexpectedly. Report the request id; the service's log has the details.";
    return respondWithError(c, 500, { code: "internal_error", message });
  }
  const { status, code, message, details, possible, cause } = error;
  if (status >= 500)
    log.warn({ requestId, code, cause: cause instanceof Error ? cause.message : undefined }, "request failed");
  if (error instanceof TooManyRequestsError) c.header("retry-after", String(error.retryAfterSeconds));
  else if (error.retryable) c.header("retry-after", RETRY_AFTER_SECONDS);
  return respondWithError(c, status, {
    code,
    message,
    ...(details && { details: { ...details } }),
    ...(possible && { possible: [...possible] }),
  });
}

export function respondWithError(
  c: Context<HttpEnv>,
  status: ErrorStatus,
  error: { code: ErrorCode } & Omit<ErrorResponse["error"], "code" | "requestId">,
): Response {
  const body: ErrorResponse = { error: { ...error, requestId: c.get("requestId") } };
  return c.json(body, status);
}
