/** Defines the API routes of charges and balance transactions. @see https://docs.stripe.com/api/charges */
import { z } from "zod";
import type { Api } from "../api.ts";
import { resourceMissing } from "../core/errors.ts";
import { emitChange } from "../core/events.ts";
import { hasFields, paginate } from "../core/pagination.ts";
import { currency, expand, listParams, mergeMetadata, metadata, text } from "../core/params.ts";
import { listAll, retrieve } from "../core/rows.ts";
import { search, searchParams } from "../core/search.ts";

const ListParams = z.strictObject({
  ...listParams,
  customer: text.optional(),
  payment_intent: text.optional(),
  transfer_group: text.optional(),
});
const UpdateParams = z.strictObject({ description: text.optional(), metadata: metadata.optional(), expand });
const BalanceListParams = z.strictObject({
  ...listParams,
  currency: currency.optional(),
  payout: text.optional(),
  source: text.optional(),
  type: text.optional(),
});

export function chargeRoutes(api: Api): void {
  api.get("/v1/charges/search", searchParams, (context, params) =>
    search(context, listAll(context, "charge"), params, "/v1/charges/search"),
  );
  api.get("/v1/charges", ListParams, (context, params) => {
    const { customer, payment_intent, transfer_group } = params;
    return paginate(context, listAll(context, "charge"), params, {
      url: "/v1/charges",
      filter: (row) => hasFields(row, { customer, payment_intent, transfer_group }),
    });
  });
  api.get("/v1/charges/:id", z.strictObject({ expand }), (context, _params, id) => retrieve(context, "charge", id));
  api.post("/v1/charges/:id", UpdateParams, (context, params, id) => {
    const charge = retrieve(context, "charge", id);
    emitChange(context, "charge.updated", charge, () => {
      if (params.description !== undefined) charge.description = params.description;
      charge.metadata = mergeMetadata(charge.metadata, params.metadata);
    });
    return charge;
  });

  api.get("/v1/balance_transactions", BalanceListParams, (context, params) => {
    // The emulator makes no payouts, so no payout has the given ID.
    if (params.payout !== undefined) throw resourceMissing("payout", params.payout, "payout");
    return paginate(context, listAll(context, "balance_transaction"), params, {
      url: "/v1/balance_transactions",
      filter: (row) => hasFields(row, { currency: params.currency, source: params.source, type: params.type }),
    });
  });
  api.get("/v1/balance_transactions/:id", z.strictObject({ expand }), (context, _params, id) =>
    retrieve(context, "balance_transaction", id),
  );
}
