/** Defines the API routes of payment methods. @see https://docs.stripe.com/api/payment_methods */
import { z } from "zod";
import type { Api } from "../api.ts";
import { retrieveCustomer } from "../billing/customers.ts";
import { attach, createPaymentMethod, detach, methodFromIdOrToken, nextYear } from "../billing/payment-methods.ts";
import { cardByNumber, cardByToken } from "../billing/test-cards.ts";
import { ApiError } from "../core/errors.ts";
import { emitChange } from "../core/events.ts";
import { hasFields, paginate } from "../core/pagination.ts";
import { expand, integer, listParams, mergeMetadata, metadata, text } from "../core/params.ts";
import { listAll, retrieve } from "../core/rows.ts";
import type { PaymentMethod } from "../objects/payment-method.ts";

const details = z.strictObject({
  address: z.record(z.string(), text).optional(),
  email: text.optional(),
  name: text.optional(),
  phone: text.optional(),
});
const CreateParams = z.strictObject({
  type: z.literal("card"),
  card: z.union([
    z.strictObject({ number: text, exp_month: integer, exp_year: integer, cvc: text.optional() }),
    z.strictObject({ token: text }),
  ]),
  billing_details: details.optional(),
  metadata: metadata.optional(),
  expand,
});
const UpdateParams = z.strictObject({
  billing_details: details.optional(),
  card: z.strictObject({ exp_month: integer.optional(), exp_year: integer.optional() }).optional(),
  metadata: metadata.optional(),
  expand,
});
const AttachParams = z.strictObject({ customer: text, expand });
export const methodFilters = { allow_redisplay: text.optional(), type: text.optional() };
const ListParams = z.strictObject({ ...listParams, ...methodFilters, customer: text.optional() });

export function paymentMethodRoutes(api: Api): void {
  api.post("/v1/payment_methods", CreateParams, (context, params) => {
    const card =
      "token" in params.card
        ? cardByToken(params.card.token.replace(/^tok_/, "pm_card_"))
        : cardByNumber(params.card.number);
    if (!card)
      throw new ApiError("Only Stripe's test cards work here: see https://docs.stripe.com/testing", {
        status: 402,
        type: "card_error",
        code: "incorrect_number",
        param: "card[number]",
      });
    const expiry =
      "number" in params.card ? { month: params.card.exp_month, year: params.card.exp_year } : nextYear(context);
    const method = createPaymentMethod(context, card, expiry);
    setDetails(method, params.billing_details);
    method.metadata = mergeMetadata({}, params.metadata);
    return method;
  });

  api.get("/v1/payment_methods", ListParams, (context, params) => {
    const { allow_redisplay, customer, type } = params;
    return paginate(context, listAll(context, "payment_method"), params, {
      url: "/v1/payment_methods",
      filter: (row) => hasFields(row, { allow_redisplay, customer, type }),
    });
  });

  api.get("/v1/payment_methods/:id", z.strictObject({ expand }), (context, _params, id) =>
    retrieve(context, "payment_method", id),
  );

  api.post("/v1/payment_methods/:id", UpdateParams, (context, params, id) => {
    const method = retrieve(context, "payment_method", id);
    emitChange(context, "payment_method.updated", method, () => {
      setDetails(method, params.billing_details);
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

function setDetails(method: PaymentMethod, given: z.output<typeof details> | undefined): void {
  const { address, ...rest } = given ?? {};
  Object.assign(method.billing_details, rest);
  Object.assign(method.billing_details.address, address ?? {});
}
