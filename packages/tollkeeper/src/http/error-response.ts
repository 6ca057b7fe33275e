/** Converts errors to the JSON of error responses, which is the same for all routes. */
import type { Context } from "hono";
import { describeError, toLogText } from "../domain/log-text.ts";
import { TollkeeperError, TooManyRequestsError, type ErrorCode, type ErrorStatus } from "../errors.ts";
import type { Runtime } from "../runtime.ts";
import type { ErrorResponse } from "../wire.ts";
import type { HttpEnv } from "./request-log.ts";

const RETRY_AFTER_SECONDS = "1";
/** Maximum number of characters of an unexpected error in the log. */
const MAX_STACK_LENGTH = 4_000;

/**
 * Returns the HTTP response for an error that a route threw, and logs one line with the cause. The response to an expected
 * error contains the error's code and a message for the user. Any other error is a bug, and the response is a 500 without
 * details.
 */
export function respondToError(log: Runtime["log"], error: Error, c: Context<HttpEnv>): Response {
  const { method, path } = c.req;
  const request = { requestId: c.get("requestId"), method, path: toLogText(path) };
  if (!(error instanceof TollkeeperError)) {
    log.error(
      { ...request, error: toLogText(error.stack ?? String(error), MAX_STACK_LENGTH) },
      "request failed: unexpected error",
    );
    const message = "The service failed unexpectedly. Report the request id; the service's log has the details.";
    return respondWithError(c, 500, { code: "internal_error", message });
  }
  const { status, code, message, userMessage, details, possible, cause } = error;
  log.warn(
    {
      ...request,
      status,
      code,
      reason: toLogText(message),
      ...(error.log ?? (cause !== undefined && { cause: describeError(cause) })),
    },
    "request refused",
  );
  if (error instanceof TooManyRequestsError) c.header("retry-after", String(error.retryAfterSeconds));
  else if (error.retryable) c.header("retry-after", RETRY_AFTER_SECONDS);
  return respondWithError(c, status, {
    code,
    message: userMessage ?? message,
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
