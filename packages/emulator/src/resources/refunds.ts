/** Refunds. @see https://docs.stripe.com/api/refunds */
import { z } from "zod";
import type { Api } from "../api.ts";
import type { Charge } from "../billing/charges.ts";
import { refundCharge } from "../billing/refunds.ts";
import { ApiError } from "../core/errors.ts";
import { change, emit } from "../core/events.ts";
import { page } from "../core/lists.ts";
import { expand, integer, listParams, mergeMetadata, metadata, text } from "../core/params.ts";
import { all, need, type World } from "../core/world.ts";

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
  api.post("/v1/refunds", CreateParams, (world, params) => {
    const charge = refundedCharge(world, params);
    return refundCharge(world, charge, params.amount ?? charge.amount_captured - charge.amount_refunded, {
      reason: params.reason ?? null,
      metadata: mergeMetadata({}, params.metadata),
    });
  });
  api.get("/v1/refunds", ListParams, (world, params) => {
    return page(
      world,
      all(world, "refund"),
      params,
      "/v1/refunds",
      (row) =>
        (params.charge === undefined || row.charge === params.charge) &&
        (params.payment_intent === undefined || row.payment_intent === params.payment_intent),
    );
  });
  api.get("/v1/refunds/:id", z.strictObject({ expand }), (world, _params, id) => need(world, "refund", id));
  api.post("/v1/refunds/:id", UpdateParams, (world, params, id) => {
    const row = need(world, "refund", id);
    const updated = change(world, "refund.updated", row, () => {
      row.metadata = mergeMetadata(row.metadata, params.metadata);
    });
    // Stripe tells of it under the older name, too.
    if (updated) emit(world, "charge.refund.updated", row, updated.data.previous_attributes);
    return row;
  });
}

function refundedCharge(world: World, params: z.output<typeof CreateParams>): Charge {
  if (params.charge !== undefined) return need(world, "charge", params.charge, "charge");
  if (params.payment_intent === undefined)
    throw new ApiError("One of the following params should be provided for this request: payment_intent or charge.");
  const intent = need(world, "payment_intent", params.payment_intent, "payment_intent");
  if (intent.latest_charge === null || intent.status !== "succeeded")
    throw new ApiError(`This PaymentIntent (${intent.id}) does not have a successful charge to refund.`);
  return need(world, "charge", intent.latest_charge);
}
