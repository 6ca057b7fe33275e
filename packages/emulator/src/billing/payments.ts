/** Payment intents: one attempt after another to take one amount. @see https://docs.stripe.com/payments/paymentintents/lifecycle */
import { ApiError } from "../core/errors.ts";
import { change, emit } from "../core/events.ts";
import { newId } from "../core/ids.ts";
import { randomText } from "../core/random.ts";
import { find, insert, need, now, type World } from "../core/world.ts";
import { addBalanceTransaction } from "./balance.ts";
import { createCharge } from "./charges.ts";
import { openDispute } from "./disputes.ts";
import { cardByNumber, declineOutcome, type CardOutcome } from "./test-cards.ts";

export type { Charge } from "./charges.ts";

export interface PaymentError {
  charge?: string;
  code: string;
  decline_code?: string;
  doc_url?: string;
  message: string;
  payment_method?: object;
  type: "card_error";
}

export type PaymentIntentStatus =
  | "requires_payment_method"
  | "requires_confirmation"
  | "requires_action"
  | "requires_capture"
  | "succeeded"
  | "canceled";

export interface NextAction {
  type: "redirect_to_url";
  redirect_to_url: { url: string; return_url: string | null };
}

export type PaymentIntent = ReturnType<typeof newPaymentIntent>;

export interface NewPaymentIntent {
  amount: number;
  currency: string;
  customer: string | null;
  description?: string | null;
  metadata?: Record<string, string>;
  captureMethod?: "automatic" | "automatic_async" | "manual";
  setupFutureUsage?: "off_session" | "on_session" | null;
  receiptEmail?: string | null;
  shipping?: object | null;
  /** The invoice that it pays. */
  invoice?: string;
}

export function createPaymentIntent(world: World, input: NewPaymentIntent): PaymentIntent {
  const intent = insert(world, "payment_intent", newPaymentIntent(world, input));
  emit(world, "payment_intent.created", intent);
  return intent;
}

function newPaymentIntent(world: World, input: NewPaymentIntent) {
  const id = newId(world, "pi");
  return {
    id,
    object: "payment_intent" as const,
    amount: input.amount,
    amount_capturable: 0,
    amount_details: { tip: {} },
    allowed_payment_method_types: null,
    amount_received: 0,
    application: null,
    application_fee_amount: null,
    automatic_payment_methods: null as { allow_redirects: string; enabled: boolean } | null,
    canceled_at: null as number | null,
    cancellation_reason: null as string | null,
    capture_method: input.captureMethod ?? "automatic_async",
    client_secret: `${id}_secret_${randomText(world.state, 25)}`,
    confirmation_method: "automatic",
    created: now(world),
    currency: input.currency,
    customer: input.customer,
    customer_account: null,
    description: input.description ?? null,
    excluded_payment_method_types: null,
    last_payment_error: null as PaymentError | null,
    latest_charge: null as string | null,
    livemode: false as const,
    managed_payments: null,
    metadata: input.metadata ?? {},
    next_action: null as NextAction | null,
    on_behalf_of: null,
    ...(input.invoice && { payment_details: { customer_reference: null, order_reference: input.invoice } }),
    payment_method: null as string | null,
    payment_method_configuration_details: null,
    payment_method_options: {
      card: { installments: null, mandate_options: null, network: null, request_three_d_secure: "automatic" },
    },
    payment_method_types: ["card"],
    payment_record: null,
    processing: null,
    receipt_email: input.receiptEmail ?? null,
    review: null,
    setup_future_usage: input.setupFutureUsage ?? null,
    shipping: input.shipping ?? null,
    source: null,
    statement_descriptor: null,
    statement_descriptor_suffix: null,
    status: "requires_payment_method" as PaymentIntentStatus,
    transfer_data: null,
    transfer_group: null,
  };
}

export interface Confirmation {
  /** Whether the person is there to confirm with the bank. */
  onSession: boolean;
  returnUrl?: string | null;
}

/** Tries to pay with a card. The intent tells how it went. */
export function confirmPayment(world: World, intent: PaymentIntent, methodId: string, how: Confirmation): void {
  if (intent.status === "succeeded" || intent.status === "canceled" || intent.status === "requires_capture")
    throw unexpectedState(intent, "confirm");
  intent.payment_method = methodId;
  const outcome = takeNextDecline(world) ?? cardOutcome(world, methodId, how.onSession);
  if (outcome.kind === "succeeds") return succeed(world, intent);
  if (outcome.kind === "authenticates") return askForAction(world, intent, how.returnUrl ?? null);
  decline(world, intent, {
    code: outcome.code,
    decline_code: outcome.declineCode,
    message: outcome.message,
    type: "card_error",
  });
}

function takeNextDecline({ state }: World): CardOutcome | null {
  const code = state.nextDecline ?? null;
  state.nextDecline = null;
  return code === null ? null : declineOutcome(code);
}

/** What the person did on the bank's page. */
export function completeChallenge(world: World, intent: PaymentIntent, authenticated: boolean): void {
  if (intent.status !== "requires_action") return;
  intent.next_action = null;
  if (authenticated) return succeed(world, intent);
  decline(world, intent, {
    code: "payment_intent_authentication_failure",
    message:
      "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
    type: "card_error",
  });
}

export function capturePayment(world: World, intent: PaymentIntent, amount: number): void {
  if (intent.status !== "requires_capture") throw unexpectedState(intent, "capture");
  if (amount > intent.amount_capturable)
    throw new ApiError(
      `The amount_to_capture (${amount}) is greater than the capturable amount (${intent.amount_capturable}).`,
      { code: "amount_too_large", param: "amount_to_capture" },
    );
  const charge = need(world, "charge", intent.latest_charge ?? "");
  const { currency, description, id: source } = charge;
  const transaction = addBalanceTransaction(world, { amount, currency, description, source, type: "charge" });
  Object.assign(charge, { captured: true, amount_captured: amount, balance_transaction: transaction.id });
  Object.assign(intent, { status: "succeeded", amount_received: amount, amount_capturable: 0 });
  emit(world, "charge.captured", charge);
  emit(world, "payment_intent.succeeded", intent);
  openDispute(world, charge);
}

export function cancelPayment(world: World, intent: PaymentIntent, reason: string | null): void {
  if (intent.status === "succeeded" || intent.status === "canceled") return;
  Object.assign(intent, {
    status: "canceled",
    amount_capturable: 0,
    canceled_at: now(world),
    cancellation_reason: reason,
    next_action: null,
  });
  emit(world, "payment_intent.canceled", intent);
}

/** How a card answers; a fault may decline the request's payment instead. */
export function cardOutcome(world: World, methodId: string, onSession: boolean): CardOutcome {
  need(world, "payment_method", methodId, "payment_method");
  if (world.declineWith) return declineOutcome(world.declineWith);
  const card = cardByNumber(world.account.cardNumbers.get(methodId) ?? "");
  if (!card) throw new Error(`no test card behind ${methodId}`);
  return onSession ? card.onSession : card.offSession;
}

export function unexpectedState({ status }: { status: string }, verb: string): ApiError {
  const past = { capture: "captured", cancel: "canceled" }[verb] ?? `${verb}ed`;
  return new ApiError(`This PaymentIntent could not be ${past} because it has a status of ${status}.`, {
    code: "payment_intent_unexpected_state",
  });
}

/** The 402 of an intent whose last attempt was declined. */
export function declineError(world: World, intent: PaymentIntent): ApiError {
  const failure = intent.last_payment_error;
  if (!failure) throw new Error(`intent ${intent.id} was not declined`);
  const { message, code, decline_code: declineCode } = failure;
  return new ApiError(message, {
    status: 402,
    stands: true,
    type: "card_error",
    code,
    ...(declineCode && { decline_code: declineCode }),
    ...(intent.latest_charge && { charge: intent.latest_charge }),
    payment_intent: { ...intent },
    payment_method: find(world, "payment_method", intent.payment_method) ?? undefined,
  });
}

function succeed(world: World, intent: PaymentIntent): void {
  const manual = intent.capture_method === "manual";
  const charge = createCharge(world, intent, { paid: true, captured: !manual });
  Object.assign(intent, {
    status: manual ? "requires_capture" : "succeeded",
    amount_capturable: manual ? intent.amount : 0,
    amount_received: manual ? 0 : intent.amount,
    latest_charge: charge.id,
    last_payment_error: null,
    next_action: null,
  });
  emit(world, "charge.succeeded", charge);
  emit(world, manual ? "payment_intent.amount_capturable_updated" : "payment_intent.succeeded", intent);
  if (!manual) openDispute(world, charge);
}

function askForAction(world: World, intent: PaymentIntent, returnUrl: string | null): void {
  change(world, "payment_intent.requires_action", intent, (row) => {
    row.status = "requires_action";
    row.next_action = {
      type: "redirect_to_url",
      redirect_to_url: { url: `${world.baseUrl}/challenge/${intent.id}`, return_url: returnUrl },
    };
  });
}

function decline(world: World, intent: PaymentIntent, error: PaymentError): void {
  const charge = createCharge(world, intent, { paid: false, captured: false, error });
  const method = find(world, "payment_method", intent.payment_method);
  Object.assign(intent, {
    status: "requires_payment_method",
    last_payment_error: {
      charge: charge.id,
      ...error,
      doc_url: `https://stripe.com/docs/error-codes/${error.code.replaceAll("_", "-")}`,
      ...(method && { payment_method: method }),
    },
    latest_charge: charge.id,
    next_action: null,
    payment_method: null,
  });
  emit(world, "charge.failed", charge);
  emit(world, "payment_intent.payment_failed", intent);
}
