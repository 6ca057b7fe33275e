/** Creates the responses of request faults. */
import { ApiError } from "./core/errors.ts";
import type { Fault } from "./core/fault-schemas.ts";
import { newToken } from "./core/ids.ts";
import type { Engine } from "./engine.ts";

const LOCK_TIMEOUT =
  "This object cannot be accessed right now because another API request or Stripe process is currently accessing it. If you see this error intermittently, retry the request. If you see this error frequently and are making multiple concurrent requests to a single object, make your requests serially or at a lower rate.";

const NEVER_MS = 2_147_483_647;

export const JSON_TYPE = { "content-type": "application/json" };

/**
 * Returns the response of a request fault. The parameter `body` is the body of the real response; undefined if the
 * request had no effect.
 */
export async function respondWithFault(engine: Engine, { answer }: Fault, body?: string): Promise<Response> {
  if (answer === "reset") throw new ConnectionReset();
  if (answer === "timeout") await new Promise((resolve) => setTimeout(resolve, NEVER_MS).unref());
  if (answer === "cut")
    return new Response((body ?? '{"object": "cu').slice(0, 12), { status: 200, headers: JSON_TYPE });
  const status = answer === "lock_timeout" ? 429 : Number(answer);
  const error =
    answer === "lock_timeout"
      ? new ApiError(LOCK_TIMEOUT, { status, code: "lock_timeout" })
      : new ApiError(status === 429 ? "Request rate limit exceeded." : "This error was injected by a fault.", {
          status,
          type: status >= 500 ? "api_error" : "invalid_request_error",
          ...(status === 429 && { code: "rate_limit" }),
        });
  const requestId = newToken(engine, "req", 14);
  const headers = new Headers({ ...JSON_TYPE, "request-id": requestId });
  if (status === 429) {
    headers.set("stripe-should-retry", "true");
    headers.set("retry-after", "1");
    headers.set("stripe-rate-limited-reason", answer === "lock_timeout" ? "resource-specific" : "global-rate");
  }
  return new Response(JSON.stringify(error.toBody(null)), { status, headers });
}

/**
 * The error that `fetch` throws when a fault breaks the connection. The error is a TypeError, as with a real `fetch`.
 */
export class ConnectionReset extends TypeError {
  override readonly name = "ConnectionReset";
  constructor() {
    super("fetch failed: the connection was reset");
  }
}
