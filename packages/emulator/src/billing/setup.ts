/** Setup intents: saving a card without charging it. @see https://docs.stripe.com/api/setup_intents */
import { attach } from "./payment-methods.ts";
import { emit } from "../core/events.ts";
import { newId } from "../core/ids.ts";
import { randomText } from "../core/random.ts";
import { find, insert, need, now, type World } from "../core/world.ts";

import { cardOutcome, type NextAction, type PaymentError } from "./payments.ts";

export type SetupIntent = ReturnType<typeof newSetupIntent>;

export interface NewSetupIntent {
  customer: string | null;
  description?: string | null;
  metadata?: Record<string, string>;
  usage?: "off_session" | "on_session";
}

export function createSetupIntent(world: World, input: NewSetupIntent): SetupIntent {
  const intent = insert(world, "setup_intent", newSetupIntent(world, input));
  emit(world, "setup_intent.created", intent);
  return intent;
}

function newSetupIntent(world: World, input: NewSetupIntent) {
  const id = newId(world, "seti");
  return {
    id,
    object: "setup_intent" as const,
    allowed_payment_method_types: null,
    application: null,
    automatic_payment_methods: null as { allow_redirects: string; enabled: boolean } | null,
    cancellation_reason: null as string | null,
    client_secret: `${id}_secret_${randomText(world.state, 25)}`,
    created: now(world),
    customer: input.customer,
    customer_account: null,
    description: input.description ?? null,
    excluded_payment_method_types: null,
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

/** Checks the card and saves it to the customer, or asks the person to confirm with the bank. */
export function confirmSetup(world: World, intent: SetupIntent, methodId: string, returnUrl: string | null): void {
  intent.payment_method = methodId;
  const outcome = cardOutcome(world, methodId, true);
  if (outcome.kind === "succeeds" || (outcome.kind === "declines" && isSaved(world, methodId)))
    return succeed(world, intent);
  if (outcome.kind === "declines") {
    const { code, declineCode, message } = outcome;
    return fail(world, intent, { code, decline_code: declineCode, message, type: "card_error" });
  }
  Object.assign(intent, {
    status: "requires_action",
    next_action: {
      type: "redirect_to_url",
      redirect_to_url: { url: `${world.baseUrl}/challenge/${intent.id}`, return_url: returnUrl },
    },
  });
  emit(world, "setup_intent.requires_action", intent);
}

export function answerSetupChallenge(world: World, intent: SetupIntent, authenticated: boolean): void {
  if (intent.status !== "requires_action") return;
  intent.next_action = null;
  if (authenticated) return succeed(world, intent);
  fail(world, intent, {
    code: "setup_intent_authentication_failure",
    message: "The latest attempt to set up the payment method has failed because authentication failed.",
    type: "card_error",
  });
}

/** A card that only fails when it is charged can be saved. */
function isSaved(world: World, methodId: string): boolean {
  return find(world, "payment_method", methodId)?.customer != null;
}

function succeed(world: World, intent: SetupIntent): void {
  Object.assign(intent, { status: "succeeded", last_setup_error: null, next_action: null });
  if (intent.customer !== null && intent.payment_method !== null)
    attach(world, need(world, "payment_method", intent.payment_method), intent.customer);
  emit(world, "setup_intent.succeeded", intent);
}

function fail(world: World, intent: SetupIntent, error: PaymentError): void {
  Object.assign(intent, {
    status: "requires_payment_method",
    last_setup_error: error,
    next_action: null,
    payment_method: null,
  });
  emit(world, "setup_intent.setup_failed", intent);
}
