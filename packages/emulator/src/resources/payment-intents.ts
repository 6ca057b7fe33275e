/** Defines the API routes of payment intents. @see https://docs.stripe.com/api/payment_intents */
import { z } from "zod";
import type { Api } from "../api.ts";
import { checkClientSecret } from "../billing/client-secrets.ts";
import { settleIntent } from "../billing/collection.ts";
import { retrieveCustomer } from "../billing/customers.ts";
import { needsSecretKey, notUpdatable, paymentError, unexpectedPayment } from "../billing/intent-errors.ts";
import {
  cancelPayment,
  capturePayment,
  confirmPayment,
  createPaymentIntent,
  declineError,
} from "../billing/payments.ts";
import { checkChargeAmount } from "../core/currencies.ts";
import { ApiError } from "../core/errors.ts";
import { paginate } from "../core/pagination.ts";
import {
  currency,
  expand,
  flag,
  integer,
  listParams,
  mergeMetadata,
  metadata,
  email,
  text,
  unsettable,
  url,
} from "../core/params.ts";
import { find, listAll } from "../core/rows.ts";
import { search, searchParams } from "../core/search.ts";
import type { Context } from "../core/state.ts";
import type { PaymentIntent } from "../objects/payment-intent.ts";
import type { PaymentMethod } from "../objects/payment-method.ts";
import { methodTypes, setMethodTypes } from "./method-types.ts";
import { givenMethod, methodData } from "./payment-method-data.ts";

const shippingHash = z.strictObject({
  name: text.min(1),
  address: z.record(z.string(), text),
  phone: text.optional(),
  carrier: text.optional(),
  tracking_number: text.optional(),
});
/** @see https://docs.stripe.com/get-started/account/statement-descriptors#dynamic */
const suffix = text.regex(/^[^<>\\'"*]{0,22}$/, "must have at most 22 characters and none of < > \\ ' \" *");
const captureMethod = z.enum(["automatic", "automatic_async", "manual"]).optional();
const setupFutureUsage = unsettable(z.enum(["off_session", "on_session"])).optional();
/** Parameters that requests can set until the payment is made. */
const paymentFields = {
  ...methodTypes,
  capture_method: captureMethod,
  payment_method: text.optional(),
  payment_method_data: methodData.optional(),
  receipt_email: unsettable(email).optional(),
  setup_future_usage: setupFutureUsage,
  shipping: unsettable(shippingHash).optional(),
};
const fields = {
  ...paymentFields,
  amount: integer.optional(),
  currency: currency.optional(),
  customer: text.optional(),
  description: text.optional(),
  metadata: metadata.optional(),
  statement_descriptor: text.optional(),
  statement_descriptor_suffix: suffix.optional(),
  transfer_group: text.optional(),
  expand,
};
const confirmation = {
  return_url: url.optional(),
  off_session: z.union([flag, z.enum(["one_off", "recurring"]).transform(() => true)]).optional(),
  error_on_requires_action: flag.optional(),
  use_stripe_sdk: flag.optional(),
};
const CreateParams = z.strictObject({
  ...fields,
  ...confirmation,
  amount: integer,
  currency,
  confirm: flag.optional(),
  confirmation_method: z.enum(["automatic", "manual"]).optional(),
  automatic_payment_methods: z
    .strictObject({ enabled: flag, allow_redirects: z.enum(["always", "never"]).optional() })
    .optional(),
});
const UpdateParams = z.strictObject(fields);
const ConfirmParams = z.strictObject({ ...paymentFields, ...confirmation, client_secret: text.optional(), expand });
const CaptureParams = z.strictObject({
  amount_to_capture: integer.pipe(z.number().min(1)).optional(),
  final_capture: flag.optional(),
  metadata: metadata.optional(),
  statement_descriptor: text.optional(),
  statement_descriptor_suffix: suffix.optional(),
  expand,
});
const CancelParams = z.strictObject({ cancellation_reason: text.optional(), expand });
const RetrieveParams = z.strictObject({ client_secret: text.optional(), expand });
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

  api.clientGet("/v1/payment_intents/:id", RetrieveParams, (context, params, id) => {
    const intent = retrieveIntent(context, id);
    checkClientSecret(context, intent, params.client_secret);
    return intent;
  });

  api.post("/v1/payment_intents/:id", UpdateParams, update);

  api.clientPost("/v1/payment_intents/:id/confirm", ConfirmParams, (context, params, id) => {
    const intent = retrieveIntent(context, id);
    checkClientSecret(context, intent, params.client_secret);
    if (params.client_secret !== undefined && intent.confirmation_method === "manual") throw needsSecretKey(intent);
    return confirm(context, intent, params);
  });

  api.post("/v1/payment_intents/:id/capture", CaptureParams, capture);

  api.post("/v1/payment_intents/:id/cancel", CancelParams, (context, params, id) => {
    const intent = retrieveIntent(context, id);
    if (intent.status === "succeeded" || intent.status === "canceled") throw unexpectedPayment(intent, "cancel");
    cancelPayment(context, intent, params.cancellation_reason ?? null);
    return intent;
  });
}

function retrieveIntent(context: Context, id: string): PaymentIntent {
  const intent = find(context, "payment_intent", id);
  if (intent) return intent;
  throw new ApiError(`No such payment_intent: '${id}'`, { status: 404, code: "resource_missing", param: "intent" });
}

function create(context: Context, params: z.output<typeof CreateParams>): PaymentIntent {
  checkChargeAmount(params.amount, params.currency);
  if (params.customer !== undefined) retrieveCustomer(context, params.customer, "customer");
  const method = givenMethod(context, params);
  const intent = createPaymentIntent(context, {
    amount: params.amount,
    currency: params.currency.toLowerCase(),
    customer: params.customer ?? null,
    description: params.description ?? null,
    metadata: mergeMetadata({}, params.metadata),
    captureMethod: params.capture_method ?? "automatic_async",
    setupFutureUsage: params.setup_future_usage ?? null,
    confirmationMethod: params.confirmation_method ?? "automatic",
    receiptEmail: params.receipt_email ?? null,
    shipping: params.shipping ? toShipping(params.shipping) : null,
    statementDescriptor: params.statement_descriptor || null,
    statementDescriptorSuffix: params.statement_descriptor_suffix || null,
    transferGroup: params.transfer_group ?? null,
  });
  intent.automatic_payment_methods = {
    allow_redirects: params.automatic_payment_methods?.allow_redirects ?? "always",
    enabled: params.automatic_payment_methods?.enabled ?? true,
  };
  setMethodTypes(intent, params);
  if (method) Object.assign(intent, { payment_method: method.id, status: "requires_confirmation" });
  return params.confirm ? confirm(context, intent, params) : intent;
}

/** The fields of a payment intent that can't change after the payment is made. */
const FIXED_BY_PAYMENT = [
  "amount",
  "capture_method",
  "currency",
  "customer",
  "payment_method",
  "payment_method_data",
  "setup_future_usage",
] as const;

function update(context: Context, params: z.output<typeof UpdateParams>, id: string): PaymentIntent {
  const intent = retrieveIntent(context, id);
  const { amount, currency: wanted, customer, description } = params;
  const fixed = FIXED_BY_PAYMENT.find((name) => params[name] !== undefined);
  if (fixed !== undefined && ["requires_capture", "succeeded", "canceled"].includes(intent.status))
    throw notUpdatable(intent, fixed);
  if (amount !== undefined || wanted !== undefined)
    checkChargeAmount(amount ?? intent.amount, wanted ?? intent.currency);
  if (customer !== undefined) setCustomer(context, intent, customer);
  const method = givenMethod(context, params);
  if (method) Object.assign(intent, { payment_method: method.id, status: "requires_confirmation", next_action: null });
  setPaymentFields(intent, params);
  Object.assign(intent, {
    ...(amount !== undefined && { amount }),
    ...(wanted !== undefined && { currency: wanted }),
    ...(description !== undefined && { description }),
    ...(params.transfer_group !== undefined && { transfer_group: params.transfer_group || null }),
    metadata: mergeMetadata(intent.metadata, params.metadata),
  });
  setDescriptors(intent, params);
  return intent;
}

function setCustomer(context: Context, intent: PaymentIntent, id: string): void {
  const customer = retrieveCustomer(context, id, "customer");
  if (intent.customer !== null && intent.customer !== customer.id)
    throw new ApiError(
      "You cannot modify `customer` on a PaymentIntent once it already has been set. To fulfill a payment with a different Customer, cancel this PaymentIntent and create a new one.",
      { param: "customer" },
    );
  intent.customer = customer.id;
}

type PaymentFields = Omit<z.output<typeof ConfirmParams>, "payment_method" | "payment_method_data">;

function setPaymentFields(intent: PaymentIntent, params: PaymentFields): void {
  setMethodTypes(intent, params);
  const { capture_method: capturing, receipt_email: receipt, setup_future_usage: usage, shipping } = params;
  Object.assign(intent, {
    ...(capturing !== undefined && { capture_method: capturing }),
    ...(receipt !== undefined && { receipt_email: receipt }),
    ...(usage !== undefined && { setup_future_usage: usage }),
    ...(shipping !== undefined && { shipping: shipping && toShipping(shipping) }),
  });
}

function setDescriptors(
  intent: PaymentIntent,
  given: { statement_descriptor?: string | undefined; statement_descriptor_suffix?: string | undefined },
): void {
  if (given.statement_descriptor !== undefined) intent.statement_descriptor = given.statement_descriptor || null;
  if (given.statement_descriptor_suffix !== undefined)
    intent.statement_descriptor_suffix = given.statement_descriptor_suffix || null;
}

function capture(context: Context, params: z.output<typeof CaptureParams>, id: string): PaymentIntent {
  const intent = retrieveIntent(context, id);
  if (params.final_capture === false)
    throw new ApiError(
      "The emulator does not implement `final_capture: false` of POST /v1/payment_intents/:id/capture.",
      {
        status: 501,
        type: "api_error",
        param: "final_capture",
      },
    );
  checkStatementDescriptor(params.statement_descriptor ?? null);
  setDescriptors(intent, params);
  capturePayment(context, intent, params.amount_to_capture ?? intent.amount_capturable);
  intent.metadata = mergeMetadata(intent.metadata, params.metadata);
  settleIntent(context, intent);
  return intent;
}

function confirm(context: Context, intent: PaymentIntent, params: z.output<typeof ConfirmParams>): PaymentIntent {
  const method = givenMethod(context, params) ?? find(context, "payment_method", intent.payment_method);
  if (!method)
    throw paymentError(
      intent,
      "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a payment method or ConfirmationToken.",
    );
  checkOwner(intent, method);
  setPaymentFields(intent, params);
  checkStatementDescriptor(intent.statement_descriptor);
  confirmPayment(context, intent, method.id, {
    onSession: !params.off_session,
    returnUrl: params.return_url,
    usesStripeSdk: params.use_stripe_sdk,
    failsOnAction: params.off_session
      ? "off_session"
      : params.error_on_requires_action
        ? "error_on_requires_action"
        : null,
  });
  settleIntent(context, intent);
  if (intent.status === "requires_payment_method") throw declineError(context, intent);
  return intent;
}

function checkOwner(intent: PaymentIntent, { id, customer }: PaymentMethod): void {
  if (customer === null || customer === intent.customer) return;
  throw new ApiError(
    intent.customer === null
      ? `The PaymentMethod ${id} belongs to the customer ${customer}. Please include the customer in the \`customer\` parameter on the PaymentIntent.`
      : `The customer does not have a payment method with the ID ${id}. The payment method must be attached to the customer.`,
    { code: "payment_intent_invalid_parameter", param: "payment_method" },
  );
}

/** Throws for a statement descriptor of a card payment. @see https://docs.stripe.com/api/payment_intents/create */
function checkStatementDescriptor(descriptor: string | null): void {
  if (!descriptor) return;
  throw new ApiError(
    "The parameter `statement_descriptor` is not supported for card payments. Use `statement_descriptor_suffix` instead.",
    { code: "payment_intent_invalid_parameter", param: "statement_descriptor" },
  );
}

function toShipping({ name, address, phone, carrier, tracking_number: tracking }: z.output<typeof shippingHash>) {
  const empty = { city: null, country: null, line1: null, line2: null, postal_code: null, state: null };
  return {
    address: { ...empty, ...address },
    carrier: carrier ?? null,
    name,
    phone: phone ?? null,
    tracking_number: tracking ?? null,
  };
}
