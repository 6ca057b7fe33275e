/** Defines the API routes of setup intents. @see https://docs.stripe.com/api/setup_intents */
import { z } from "zod";
import type { Api } from "../api.ts";
import { checkClientSecret } from "../billing/client-secrets.ts";
import { retrieveCustomer } from "../billing/customers.ts";
import { setupError, unexpectedSetup } from "../billing/intent-errors.ts";
import { confirmSetup, createSetupIntent, setupFailure } from "../billing/setup.ts";
import { ApiError } from "../core/errors.ts";
import { emit } from "../core/events.ts";
import { hasFields, paginate } from "../core/pagination.ts";
import { expand, flag, listParams, mergeMetadata, metadata, text, url } from "../core/params.ts";
import { find, listAll } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { SetupIntent } from "../objects/setup-intent.ts";
import { methodTypes, setMethodTypes } from "./method-types.ts";
import { givenMethod, methodData } from "./payment-method-data.ts";

const fields = {
  ...methodTypes,
  customer: text.optional(),
  description: text.optional(),
  payment_method: text.optional(),
  payment_method_data: methodData.optional(),
  metadata: metadata.optional(),
  expand,
};
const client = { return_url: url.optional(), use_stripe_sdk: flag.optional() };
const CreateParams = z.strictObject({
  ...fields,
  ...client,
  confirm: flag.optional(),
  usage: z.enum(["off_session", "on_session"]).optional(),
  automatic_payment_methods: z
    .strictObject({ enabled: flag, allow_redirects: z.enum(["always", "never"]).optional() })
    .optional(),
});
const ConfirmParams = z.strictObject({
  ...client,
  allowed_payment_method_types: methodTypes.allowed_payment_method_types,
  payment_method: text.optional(),
  payment_method_data: methodData.optional(),
  client_secret: text.optional(),
  expand,
});
const RetrieveParams = z.strictObject({ client_secret: text.optional(), expand });
const CancelParams = z.strictObject({ cancellation_reason: text.optional(), expand });
const ListParams = z.strictObject({
  ...listParams,
  attach_to_self: flag.optional(),
  customer: text.optional(),
  payment_method: text.optional(),
});

export function setupIntentRoutes(api: Api): void {
  api.post("/v1/setup_intents", CreateParams, (context, params) => {
    if (params.customer !== undefined) retrieveCustomer(context, params.customer, "customer");
    const intent = createSetupIntent(context, {
      customer: params.customer ?? null,
      description: params.description ?? null,
      metadata: mergeMetadata({}, params.metadata),
      usage: params.usage ?? "off_session",
    });
    intent.automatic_payment_methods = {
      allow_redirects: params.automatic_payment_methods?.allow_redirects ?? "always",
      enabled: params.automatic_payment_methods?.enabled ?? true,
    };
    setMethodTypes(intent, params);
    setMethod(context, intent, params);
    return params.confirm ? confirm(context, intent, params) : intent;
  });

  api.get("/v1/setup_intents", ListParams, (context, params) => {
    return paginate(context, listAll(context, "setup_intent"), params, {
      url: "/v1/setup_intents",
      // No setup intent of the emulator attaches its payment method to the account itself.
      filter: (row) =>
        params.attach_to_self !== true &&
        hasFields(row, { customer: params.customer, payment_method: params.payment_method }),
    });
  });

  api.clientGet("/v1/setup_intents/:id", RetrieveParams, (context, params, id) => {
    const intent = retrieveIntent(context, id);
    checkClientSecret(context, intent, params.client_secret);
    return intent;
  });

  api.post("/v1/setup_intents/:id", z.strictObject(fields), (context, params, id) => {
    const intent = retrieveIntent(context, id);
    setMethodTypes(intent, params);
    setMethod(context, intent, params);
    if (params.customer !== undefined) intent.customer = retrieveCustomer(context, params.customer, "customer").id;
    if (params.description !== undefined) intent.description = params.description;
    intent.metadata = mergeMetadata(intent.metadata, params.metadata);
    return intent;
  });

  api.clientPost("/v1/setup_intents/:id/confirm", ConfirmParams, (context, params, id) => {
    const intent = retrieveIntent(context, id);
    checkClientSecret(context, intent, params.client_secret);
    return confirm(context, intent, params);
  });

  api.post("/v1/setup_intents/:id/cancel", CancelParams, (context, params, id) => {
    const intent = retrieveIntent(context, id);
    if (intent.status === "succeeded" || intent.status === "canceled") throw unexpectedSetup(intent, "cancel");
    const cancellation_reason = params.cancellation_reason ?? null;
    Object.assign(intent, { status: "canceled", cancellation_reason, next_action: null });
    emit(context, "setup_intent.canceled", intent);
    return intent;
  });
}

function retrieveIntent(context: Context, id: string): SetupIntent {
  const intent = find(context, "setup_intent", id);
  if (intent) return intent;
  throw new ApiError(`No such setup_intent: '${id}'`, { status: 404, code: "resource_missing", param: "intent" });
}

function setMethod(context: Context, intent: SetupIntent, params: Parameters<typeof givenMethod>[1]): void {
  const method = givenMethod(context, params);
  if (!method) return;
  if (intent.status === "succeeded" || intent.status === "canceled") throw unexpectedSetup(intent, "update");
  Object.assign(intent, { payment_method: method.id, status: "requires_confirmation", next_action: null });
}

function confirm(context: Context, intent: SetupIntent, params: z.output<typeof ConfirmParams>): SetupIntent {
  if (intent.status === "succeeded" || intent.status === "canceled") throw unexpectedSetup(intent, "confirm");
  setMethodTypes(intent, params);
  const method = givenMethod(context, params)?.id ?? intent.payment_method;
  if (method === null)
    throw setupError(intent, "You cannot confirm this SetupIntent because it's missing a payment method.");
  confirmSetup(context, intent, method, { returnUrl: params.return_url, usesStripeSdk: params.use_stripe_sdk });
  if (intent.status === "requires_payment_method") throw setupFailure(intent);
  return intent;
}
