/** Defines the API routes of refunds. @see https://docs.stripe.com/api/refunds */
import { z } from "zod";
import type { Api } from "../api.ts";
import { emitUpdate, refundCharge } from "../billing/refunds.ts";
import { ApiError } from "../core/errors.ts";
import { hasFields, paginate } from "../core/pagination.ts";
import { expand, integer, listParams, mergeMetadata, metadata, text } from "../core/params.ts";
import { listAll, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { type Charge, unrefundedAmount } from "../objects/charge.ts";

const CreateParams = z.strictObject({
  charge: text.optional(),
  payment_intent: text.optional(),
  amount: integer.pipe(z.number().min(1)).optional(),
  reason: z.enum(["duplicate", "fraudulent", "requested_by_customer"]).optional(),
  metadata: metadata.optional(),
  expand,
});
const UpdateParams = z.strictObject({ metadata: metadata.optional(), expand });
const ListParams = z.strictObject({ ...listParams, charge: text.optional(), payment_intent: text.optional() });

export function refundRoutes(api: Api): void {
  api.post("/v1/refunds", CreateParams, (context, params) => {
    const charge = refundedCharge(context, params);
    return refundCharge(context, charge, params.amount ?? unrefundedAmount(charge), {
      reason: params.reason ?? null,
      metadata: mergeMetadata({}, params.metadata),
    });
  });
  api.get("/v1/refunds", ListParams, (context, params) => {
    return paginate(context, listAll(context, "refund"), params, {
      url: "/v1/refunds",
      filter: (row) => hasFields(row, { charge: params.charge, payment_intent: params.payment_intent }),
    });
  });
  api.get("/v1/refunds/:id", z.strictObject({ expand }), (context, _params, id) => retrieve(context, "refund", id));
  api.post("/v1/refunds/:id", UpdateParams, (context, params, id) => {
    const row = retrieve(context, "refund", id);
    emitUpdate(context, row, () => {
      row.metadata = mergeMetadata(row.metadata, params.metadata);
    });
    return row;
  });
}

function refundedCharge(context: Context, params: z.output<typeof CreateParams>): Charge {
  if (params.charge !== undefined) return retrieve(context, "charge", params.charge, "charge");
  if (params.payment_intent === undefined)
    throw new ApiError("One of the following params should be provided for this request: payment_intent or charge.");
  const intent = retrieve(context, "payment_intent", params.payment_intent, "payment_intent");
  if (intent.latest_charge === null || intent.status !== "succeeded")
    throw new ApiError(`This PaymentIntent (${intent.id}) does not have a successful charge to refund.`);
  return retrieve(context, "charge", intent.latest_charge);
}
