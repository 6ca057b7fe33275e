/**
 * Setup intents. A setup intent saves a card for later payments without a charge.
 * @see https://docs.stripe.com/api/setup_intents/object
 */
import { now } from "../core/clock.ts";
import { newId } from "../core/ids.ts";
import type { ObjectSource } from "../core/object-source.ts";
import { randomText } from "../core/random.ts";
import type { NextAction, PaymentError } from "./payment-intent.ts";

export type SetupIntent = ReturnType<typeof newSetupIntent>;

export interface NewSetupIntent {
  customer: string | null;
  description?: string | null;
  metadata?: Record<string, string>;
  usage?: "off_session" | "on_session";
}

export function newSetupIntent(source: ObjectSource, input: NewSetupIntent) {
  const id = newId(source, "seti");
  return {
    id,
    object: "setup_intent" as const,
    allowed_payment_method_types: null as string[] | null,
    application: null,
    automatic_payment_methods: null as { allow_redirects: string; enabled: boolean } | null,
    cancellation_reason: null as string | null,
    client_secret: `${id}_secret_${randomText(source.state, 25)}`,
    created: now(source),
    customer: input.customer,
    customer_account: null,
    description: input.description ?? null,
    excluded_payment_method_types: null as string[] | null,
    flow_directions: null,
    last_setup_error: null as PaymentError | null,
    latest_attempt: null,
    livemode: false as const,
    mandate: null,
    metadata: input.metadata ?? {},
    next_action: null as NextAction | null,
    on_behalf_of: null,
    payment_method: null as string | null,
    payment_method_configuration_details: null,
    payment_method_options: {
      card: { mandate_options: null, network: null, request_three_d_secure: "automatic" },
    },
    payment_method_types: ["card"],
    single_use_mandate: null,
    status: "requires_payment_method" as
      | "requires_payment_method"
      | "requires_confirmation"
      | "requires_action"
      | "succeeded"
      | "canceled",
    usage: input.usage ?? "off_session",
  };
}
