/** Defines the API routes of payment methods. @see https://docs.stripe.com/api/payment_methods */
import { z } from "zod";
import type { Api } from "../api.ts";
import { retrieveCustomer } from "../billing/customers.ts";
import { attach, detach, methodFromIdOrToken, refreshChecks } from "../billing/payment-methods.ts";
import { ApiError } from "../core/errors.ts";
import { emitChange } from "../core/events.ts";
import { hasFields, paginate } from "../core/pagination.ts";
import { expand, integer, listParams, mergeMetadata, metadata, text } from "../core/params.ts";
import { listAll, retrieve } from "../core/rows.ts";
import {
  allowRedisplay,
  billingDetails,
  methodFields,
  methodFromData,
  setBillingDetails,
} from "./payment-method-data.ts";

const CreateParams = z.strictObject({ ...methodFields, expand });
const UpdateParams = z.strictObject({
  allow_redisplay: allowRedisplay.optional(),
  billing_details: billingDetails.optional(),
  card: z.strictObject({ exp_month: integer.optional(), exp_year: integer.optional() }).optional(),
  metadata: metadata.optional(),
  expand,
});
const AttachParams = z.strictObject({ customer: text, expand });
export const methodFilters = { allow_redisplay: text.optional(), type: text.optional() };
const ListParams = z.strictObject({ ...listParams, ...methodFilters, customer: text.optional() });

export function paymentMethodRoutes(api: Api): void {
  api.clientPost("/v1/payment_methods", CreateParams, (context, params) => methodFromData(context, params, "card"));

  api.get("/v1/payment_methods", ListParams, (context, params) => {
    const { allow_redisplay, customer, type } = params;
    return paginate(context, listAll(context, "payment_method"), params, {
      url: "/v1/payment_methods",
      filter: (row) => hasFields(row, { allow_redisplay, customer, type }),
    });
  });

  api.get("/v1/payment_methods/:id", z.strictObject({ expand }), (context, _params, id) =>
    id.startsWith("pm_card_") ? methodFromIdOrToken(context, id, "id") : retrieve(context, "payment_method", id),
  );

  api.post("/v1/payment_methods/:id", UpdateParams, (context, params, id) => {
    const method = retrieve(context, "payment_method", id);
    emitChange(context, "payment_method.updated", method, () => {
      setBillingDetails(method, params.billing_details);
      refreshChecks(context, method);
      if (params.allow_redisplay !== undefined) method.allow_redisplay = params.allow_redisplay;
      if (params.card?.exp_month !== undefined) method.card.exp_month = params.card.exp_month;
      if (params.card?.exp_year !== undefined) method.card.exp_year = params.card.exp_year;
      method.metadata = mergeMetadata(method.metadata, params.metadata);
    });
    return method;
  });

  api.post("/v1/payment_methods/:id/attach", AttachParams, (context, params, id) => {
    retrieveCustomer(context, params.customer, "customer");
    const method = methodFromIdOrToken(context, id, "id");
    attach(context, method, params.customer);
    return method;
  });

  api.post("/v1/payment_methods/:id/detach", z.strictObject({ expand }), (context, _params, id) => {
    const method = retrieve(context, "payment_method", id);
    if (method.customer === null)
      throw new ApiError("The payment method you provided is not attached to a customer so detachment is impossible.");
    detach(context, method);
    return method;
  });
}
