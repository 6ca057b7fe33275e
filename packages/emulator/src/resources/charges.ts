/** Defines the API routes of charges and balance transactions. @see https://docs.stripe.com/api/charges */
import { z } from "zod";
import type { Api } from "../api.ts";
import { emitChange } from "../core/events.ts";
import { paginate } from "../core/pagination.ts";
import { expand, listParams, mergeMetadata, metadata, text } from "../core/params.ts";
import { listAll, retrieve } from "../core/rows.ts";
import { search, searchParams } from "../core/search.ts";

const ListParams = z.strictObject({ ...listParams, customer: text.optional(), payment_intent: text.optional() });
const UpdateParams = z.strictObject({ description: text.optional(), metadata: metadata.optional(), expand });
const BalanceListParams = z.strictObject({ ...listParams, source: text.optional(), type: text.optional() });

export function chargeRoutes(api: Api): void {
  api.get("/v1/charges/search", searchParams, (context, params) =>
    search(context, listAll(context, "charge"), params, "/v1/charges/search"),
  );
  api.get("/v1/charges", ListParams, (context, params) => {
    return paginate(context, listAll(context, "charge"), params, {
      url: "/v1/charges",
      filter: (row) =>
        (params.customer === undefined || row.customer === params.customer) &&
        (params.payment_intent === undefined || row.payment_intent === params.payment_intent),
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
    return paginate(context, listAll(context, "balance_transaction"), params, {
      url: "/v1/balance_transactions",
      filter: (row) =>
        (params.source === undefined || row.source === params.source) &&
        (params.type === undefined || row.type === params.type),
    });
  });
  api.get("/v1/balance_transactions/:id", z.strictObject({ expand }), (context, _params, id) =>
    retrieve(context, "balance_transaction", id),
  );
}
