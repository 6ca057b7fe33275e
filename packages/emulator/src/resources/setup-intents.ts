/** Defines the API routes of setup intents. @see https://docs.stripe.com/api/setup_intents */
import { z } from "zod";
import type { Api } from "../api.ts";
import { retrieveCustomer } from "../billing/customers.ts";
import { methodFromIdOrToken } from "../billing/payment-methods.ts";
import { confirmSetup, createSetupIntent } from "../billing/setup.ts";
import { ApiError } from "../core/errors.ts";
import { emit } from "../core/events.ts";
import { hasFields, paginate } from "../core/pagination.ts";
import { expand, flag, listParams, mergeMetadata, metadata, text, url } from "../core/params.ts";
import { listAll, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { SetupIntent } from "../objects/setup-intent.ts";

const fields = {
  customer: text.optional(),
  description: text.optional(),
  payment_method: text.optional(),
  metadata: metadata.optional(),
  expand,
};
const CreateParams = z.strictObject({
  ...fields,
  confirm: flag.optional(),
  return_url: url.optional(),
  usage: z.enum(["off_session", "on_session"]).optional(),
  automatic_payment_methods: z
    .strictObject({ enabled: flag, allow_redirects: z.enum(["always", "never"]).optional() })
    .optional(),
});
const ConfirmParams = z.strictObject({ payment_method: text.optional(), return_url: url.optional(), expand });
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
    if (params.payment_method !== undefined) setMethod(context, intent, params.payment_method);
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

  api.get("/v1/setup_intents/:id", z.strictObject({ expand }), (context, _params, id) =>
    retrieve(context, "setup_intent", id),
  );

  api.post("/v1/setup_intents/:id", z.strictObject(fields), (context, params, id) => {
    const intent = retrieve(context, "setup_intent", id);
    if (params.payment_method !== undefined) setMethod(context, intent, params.payment_method);
    if (params.customer !== undefined) intent.customer = retrieveCustomer(context, params.customer, "customer").id;
    if (params.description !== undefined) intent.description = params.description;
    intent.metadata = mergeMetadata(intent.metadata, params.metadata);
    return intent;
  });

  api.post("/v1/setup_intents/:id/confirm", ConfirmParams, (context, params, id) =>
    confirm(context, retrieve(context, "setup_intent", id), params),
  );

  api.post("/v1/setup_intents/:id/cancel", CancelParams, (context, params, id) => {
    const intent = retrieve(context, "setup_intent", id);
    if (intent.status === "succeeded" || intent.status === "canceled") throw unexpected(intent, "canceled");
    const cancellation_reason = params.cancellation_reason ?? null;
    Object.assign(intent, { status: "canceled", cancellation_reason, next_action: null });
    emit(context, "setup_intent.canceled", intent);
    return intent;
  });
}

function setMethod(context: Context, intent: SetupIntent, method: string): void {
  intent.payment_method = methodFromIdOrToken(context, method, "payment_method").id;
  intent.status = "requires_confirmation";
}

function confirm(context: Context, intent: SetupIntent, params: z.output<typeof ConfirmParams>): SetupIntent {
  if (intent.status === "succeeded" || intent.status === "canceled") throw unexpected(intent, "confirmed");
  const method = params.payment_method
    ? methodFromIdOrToken(context, params.payment_method, "payment_method").id
    : intent.payment_method;
  if (method === null)
    throw new ApiError("You cannot confirm this SetupIntent because it's missing a payment method.", {
      code: "setup_intent_unexpected_state",
    });
  confirmSetup(context, intent, method, params.return_url ?? null);
  const failure = intent.last_setup_error;
  if (!failure || intent.status !== "requires_payment_method") return intent;
  throw new ApiError(failure.message, {
    status: 402,
    keepsEffects: true,
    type: "card_error",
    code: failure.code,
    ...(failure.decline_code && { decline_code: failure.decline_code }),
  });
}

function unexpected({ status }: SetupIntent, past: string): ApiError {
  return new ApiError(`This SetupIntent could not be ${past} because it has a status of ${status}.`, {
    code: "setup_intent_unexpected_state",
  });
}
