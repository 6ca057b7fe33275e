/**
 * Checks the client secrets with which browsers and mobile apps read and confirm an intent.
 * @see https://docs.stripe.com/api/payment_intents/retrieve
 */
import { ApiError } from "../core/errors.ts";
import type { Context } from "../core/state.ts";

/** Throws if a request with a publishable key has no client secret, or if the client secret is another intent's. */
export function checkClientSecret(
  context: Context,
  intent: { object: "payment_intent" | "setup_intent"; client_secret: string },
  given: string | undefined,
): void {
  if (given === intent.client_secret || (given === undefined && !context.publishable)) return;
  if (given === undefined)
    throw new ApiError("Missing required param: client_secret.", { code: "parameter_missing", param: "client_secret" });
  const name = intent.object === "payment_intent" ? "PaymentIntent" : "SetupIntent";
  throw new ApiError(`The client_secret provided does not match the client_secret associated with this ${name}.`, {
    code: `${intent.object}_invalid_parameter`,
    param: "client_secret",
  });
}
