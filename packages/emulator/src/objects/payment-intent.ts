/**
 * Payment intents. A payment intent tracks the attempts to collect one amount.
 * @see https://docs.stripe.com/api/payment_intents/object
 */
import { now } from "../core/clock.ts";
import { newId } from "../core/ids.ts";
import type { ObjectSource } from "../core/object-source.ts";
import { randomText } from "../core/random.ts";
import type { PaymentMethod } from "./payment-method.ts";

export interface PaymentError {
  advice_code?: string;
  charge?: string;
  code: string;
  decline_code?: string;
  doc_url: string;
  message: string;
  network_decline_code?: string;
  payment_method?: PaymentMethod;
  type: "card_error";
}

export type PaymentIntentStatus =
  | "requires_payment_method"
  | "requires_confirmation"
  | "requires_action"
  | "requires_capture"
  | "succeeded"
  | "canceled";

export type NextAction =
  | { type: "redirect_to_url"; redirect_to_url: { url: string; return_url: string | null } }
  | { type: "use_stripe_sdk"; use_stripe_sdk: { type: "three_d_secure_redirect"; stripe_js: string; source: string } };

export type PaymentIntent = ReturnType<typeof newPaymentIntent>;

export interface NewPaymentIntent {
  amount: number;
  currency: string;
  customer: string | null;
  description?: string | null;
  metadata?: Record<string, string>;
  captureMethod?: "automatic" | "automatic_async" | "manual";
  setupFutureUsage?: "off_session" | "on_session" | null;
  /** Default: automatic. */
  confirmationMethod?: "automatic" | "manual";
  receiptEmail?: string | null;
  shipping?: object | null;
  statementDescriptor?: string | null;
  statementDescriptorSuffix?: string | null;
  transferGroup?: string | null;
  /** The ID of the invoice that the payment intent pays. */
  invoice?: string;
}

export function newPaymentIntent(source: ObjectSource, input: NewPaymentIntent) {
  const id = newId(source, "pi");
  return {
    id,
    object: "payment_intent" as const,
    amount: input.amount,
    amount_capturable: 0,
    amount_details: { tip: {} },
    allowed_payment_method_types: null as string[] | null,
    amount_received: 0,
    application: null,
    application_fee_amount: null,
    automatic_payment_methods: null as { allow_redirects: string; enabled: boolean } | null,
    canceled_at: null as number | null,
    cancellation_reason: null as string | null,
    capture_method: input.captureMethod ?? "automatic_async",
    client_secret: `${id}_secret_${randomText(source.state, 25)}`,
    confirmation_method: input.confirmationMethod ?? "automatic",
    created: now(source),
    currency: input.currency,
    customer: input.customer,
    customer_account: null,
    description: input.description ?? null,
    excluded_payment_method_types: null as string[] | null,
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
    statement_descriptor: input.statementDescriptor ?? null,
    statement_descriptor_suffix: input.statementDescriptorSuffix ?? null,
    status: "requires_payment_method" as PaymentIntentStatus,
    transfer_data: null,
    transfer_group: input.transferGroup ?? null,
  };
}
