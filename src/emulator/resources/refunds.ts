/** Refunds. @see https://docs.stripe.com/api/refunds */
import { z } from "zod";
import type { Api } from "../api.ts";
import { addBalanceTransaction } from "../billing/balance.ts";
import type { Charge } from "../billing/charges.ts";
import { ApiError } from "../core/errors.ts";
import { change, emit } from "../core/events.ts";
import { page } from "../core/lists.ts";
import { formatAmount } from "../core/money.ts";
import { expand, integer, listParams, mergeMetadata, metadata, text } from "../core/params.ts";
import { all, insert, need, newId, now, type World } from "../core/world.ts";

export type Refund = ReturnType<typeof newRefund>;

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

function newRefund(world: World, charge: Charge, amount: number, params: z.output<typeof CreateParams>) {
  return {
    id: newId(world, "re"),
    object: "refund" as const,
    amount,
    balance_transaction: null as string | null,
    charge: charge.id,
    created: now(world),
    currency: charge.currency,
    customer: charge.customer,
    customer_account: null,
    destination_details: {
      card: { reference_status: "pending", reference_type: "acquirer_reference_number", type: "refund" },
      type: "card",
    },
    metadata: mergeMetadata({}, params.metadata),
    payment_intent: charge.payment_intent,
    payment_method: charge.payment_method,
    reason: params.reason ?? null,
    receipt_number: null,
    source_transfer_reversal: null,
    status: "succeeded" as string | null,
    transfer_reversal: null,
  };
}

export function refundRoutes(api: Api): void {
  api.post("/v1/refunds", CreateParams, (world, params) => {
    const charge = refundedCharge(world, params);
    return refund(world, charge, params.amount ?? charge.amount_captured - charge.amount_refunded, params);
  });
  api.get("/v1/refunds", ListParams, (world, params) => {
    const rows = all(world, "refund").filter(
      (row) =>
        (params.charge === undefined || row.charge === params.charge) &&
        (params.payment_intent === undefined || row.payment_intent === params.payment_intent),
    );
    return page(world, rows, params, "/v1/refunds");
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

function refund(world: World, charge: Charge, amount: number, params: z.output<typeof CreateParams>): Refund {
  const left = charge.amount_captured - charge.amount_refunded;
  if (left === 0)
    throw new ApiError(`Charge ${charge.id} has already been refunded.`, { code: "charge_already_refunded" });
  if (amount > left) {
    const [asked, open] = [amount, left].map((value) => formatAmount(value, charge.currency));
    throw new ApiError(`Refund amount (${asked}) is greater than unrefunded amount on charge (${open})`, {
      param: "amount",
    });
  }
  const row = insert(world, "refund", newRefund(world, charge, amount, params));
  row.balance_transaction = addBalanceTransaction(world, {
    amount: -amount,
    currency: charge.currency,
    description: `REFUND FOR CHARGE${charge.description ? ` (${charge.description})` : ""}`,
    source: row.id,
    type: "refund",
  }).id;
  change(world, "charge.refunded", charge, () => {
    charge.amount_refunded += amount;
    charge.refunded = charge.amount_refunded === charge.amount_captured;
  });
  emit(world, "refund.created", row);
  return row;
}
