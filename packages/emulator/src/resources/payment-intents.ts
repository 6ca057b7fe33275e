/** Defines the API routes of payment intents. @see https://docs.stripe.com/api/payment_intents */
import { z } from "zod";
import type { Api } from "../api.ts";
import { settleIntent } from "../billing/collection.ts";
import { retrieveCustomer } from "../billing/customers.ts";
import { attach, methodFromIdOrToken } from "../billing/payment-methods.ts";
import {
  cancelPayment,
  capturePayment,
  confirmPayment,
  createPaymentIntent,
  declineError,
  unexpectedState,
} from "../billing/payments.ts";
import { ApiError } from "../core/errors.ts";
import { emitChange } from "../core/events.ts";
import { paginate } from "../core/pagination.ts";
import {
  currency,
  expand,
  flag,
  integer,
  listParams,
  mergeMetadata,
  metadata,
  text,
  unsettable,
  url,
} from "../core/params.ts";
import { listAll, retrieve } from "../core/rows.ts";
import { search, searchParams } from "../core/search.ts";
import type { Context } from "../core/state.ts";
import type { PaymentIntent } from "../objects/payment-intent.ts";

const MINIMUM_AMOUNT = 50;
const MAXIMUM_AMOUNT = 99_999_999;
const shipping = z.strictObject({
  name: text.min(1),
  address: z.record(z.string(), text),
  phone: text.optional(),
  carrier: text.optional(),
});
const fields = {
  amount: integer.optional(),
  currency: currency.optional(),
  customer: text.optional(),
  description: text.optional(),
  payment_method: text.optional(),
  receipt_email: unsettable(text).optional(),
  setup_future_usage: unsettable(z.enum(["off_session", "on_session"])).optional(),
  shipping: shipping.optional(),
  metadata: metadata.optional(),
  expand,
};
const confirmation = {
  return_url: url.optional(),
  off_session: z.union([flag, z.enum(["one_off", "recurring"]).transform(() => true)]).optional(),
  error_on_requires_action: flag.optional(),
};
const CreateParams = z.strictObject({
  ...fields,
  ...confirmation,
  amount: integer,
  currency,
  confirm: flag.optional(),
  capture_method: z.enum(["automatic", "automatic_async", "manual"]).optional(),
  automatic_payment_methods: z
    .strictObject({ enabled: flag, allow_redirects: z.enum(["always", "never"]).optional() })
    .optional(),
});
const UpdateParams = z.strictObject(fields);
const ConfirmParams = z.strictObject({ ...confirmation, payment_method: text.optional(), expand });
const CaptureParams = z.strictObject({ amount_to_capture: integer.optional(), metadata: metadata.optional(), expand });
const CancelParams = z.strictObject({ cancellation_reason: text.optional(), expand });
const ListParams = z.strictObject({ ...listParams, customer: text.optional() });

export function paymentIntentRoutes(api: Api): void {
  api.post("/v1/payment_intents", CreateParams, create);

  api.get("/v1/payment_intents/search", searchParams, (context, params) =>
    search(context, listAll(context, "payment_intent"), params, "/v1/payment_intents/search"),
  );

  api.get("/v1/payment_intents", ListParams, (context, params) => {
    return paginate(context, listAll(context, "payment_intent"), params, {
      url: "/v1/payment_intents",
      filter: (row) => params.customer === undefined || row.customer === params.customer,
    });
  });

  api.get("/v1/payment_intents/:id", z.strictObject({ expand }), (context, _params, id) =>
    retrieve(context, "payment_intent", id),
  );

  api.post("/v1/payment_intents/:id", UpdateParams, update);

  api.post("/v1/payment_intents/:id/confirm", ConfirmParams, (context, params, id) =>
    confirm(context, retrieve(context, "payment_intent", id), params),
  );

  api.post("/v1/payment_intents/:id/capture", CaptureParams, (context, params, id) => {
    const intent = retrieve(context, "payment_intent", id);
    capturePayment(context, intent, params.amount_to_capture ?? intent.amount_capturable);
    intent.metadata = mergeMetadata(intent.metadata, params.metadata);
    settleIntent(context, intent);
    return intent;
  });

  api.post("/v1/payment_intents/:id/cancel", CancelParams, (context, params, id) => {
    const intent = retrieve(context, "payment_intent", id);
    if (intent.status === "succeeded" || intent.status === "canceled") throw unexpectedState(intent, "cancel");
    cancelPayment(context, intent, params.cancellation_reason ?? null);
    return intent;
  });
}

function create(context: Context, params: z.output<typeof CreateParams>): PaymentIntent {
  checkAmount(params.amount);
  if (params.customer !== undefined) retrieveCustomer(context, params.customer, "customer");
  const method =
    params.payment_method === undefined ? null : methodFromIdOrToken(context, params.payment_method, "payment_method");
  const intent = createPaymentIntent(context, {
    amount: params.amount,
    currency: params.currency.toLowerCase(),
    customer: params.customer ?? null,
    description: params.description ?? null,
    metadata: mergeMetadata({}, params.metadata),
    captureMethod: params.capture_method ?? "automatic_async",
    setupFutureUsage: params.setup_future_usage ?? null,
    receiptEmail: params.receipt_email ?? null,
    shipping: params.shipping ? toShipping(params.shipping) : null,
  });
  intent.automatic_payment_methods = {
    allow_redirects: params.automatic_payment_methods?.allow_redirects ?? "always",
    enabled: params.automatic_payment_methods?.enabled ?? true,
  };
  if (method) Object.assign(intent, { payment_method: method.id, status: "requires_confirmation" });
  return params.confirm ? confirm(context, intent, params) : intent;
}

function update(context: Context, params: z.output<typeof UpdateParams>, id: string): PaymentIntent {
  const intent = retrieve(context, "payment_intent", id);
  if (params.amount !== undefined) checkAmount(params.amount);
  if (params.payment_method !== undefined) {
    intent.payment_method = methodFromIdOrToken(context, params.payment_method, "payment_method").id;
    intent.status = "requires_confirmation";
  }
  const { amount, description, customer } = params;
  Object.assign(intent, {
    ...(amount !== undefined && { amount }),
    ...(description !== undefined && { description }),
    ...(customer !== undefined && { customer: retrieveCustomer(context, customer, "customer").id }),
    ...(params.receipt_email !== undefined && { receipt_email: params.receipt_email }),
    metadata: mergeMetadata(intent.metadata, params.metadata),
  });
  return intent;
}

/** @see https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts */
function checkAmount(amount: number): void {
  if (amount > MAXIMUM_AMOUNT)
    throw new ApiError("Amount must be no more than $999,999.99", { code: "amount_too_large", param: "amount" });
  if (amount >= MINIMUM_AMOUNT) return;
  throw new ApiError(
    amount < 1
      ? "The amount must be greater than or equal to the minimum charge amount allowed for your account and the currency set (https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts).  If you want to save a Payment Method for future use without an immediate payment, use a Setup Intent instead: https://docs.stripe.com/payments/setup-intents"
      : "Amount must be at least $0.50 usd",
    { code: amount < 1 ? "parameter_invalid_integer" : "amount_too_small", param: "amount" },
  );
}

function confirm(context: Context, intent: PaymentIntent, params: z.output<typeof ConfirmParams>): PaymentIntent {
  const method = params.payment_method
    ? methodFromIdOrToken(context, params.payment_method, "payment_method").id
    : intent.payment_method;
  if (method === null)
    throw new ApiError(
      "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a payment method or ConfirmationToken.",
      { code: "payment_intent_unexpected_state" },
    );
  confirmPayment(context, intent, method, { onSession: !params.off_session, returnUrl: params.return_url ?? null });
  if (intent.status === "requires_action" && (params.error_on_requires_action || params.off_session))
    failUnauthenticated(context, intent);
  if (intent.status === "succeeded" && intent.setup_future_usage !== null && intent.customer !== null)
    attach(context, retrieve(context, "payment_method", method), intent.customer);
  settleIntent(context, intent);
  if (intent.status === "requires_payment_method") throw declineError(context, intent);
  return intent;
}

/** Declines an off-session payment that requires 3-D Secure. */
function failUnauthenticated(context: Context, intent: PaymentIntent): void {
  emitChange(context, "payment_intent.payment_failed", intent, (row) => {
    row.status = "requires_payment_method";
    row.next_action = null;
    row.last_payment_error = {
      code: "authentication_required",
      decline_code: "authentication_required",
      message: "Your card was declined. This transaction requires authentication.",
      type: "card_error",
    };
  });
}

function toShipping({ name, address, phone, carrier }: z.output<typeof shipping>) {
  const empty = { city: null, country: null, line1: null, line2: null, postal_code: null, state: null };
  return {
    address: { ...empty, ...address },
    carrier: carrier ?? null,
    name,
    phone: phone ?? null,
    tracking_number: null,
  };
}
