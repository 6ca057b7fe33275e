/** Charges over the API, and the account's balance transactions. @see https://docs.stripe.com/api/charges */
import { z } from "zod";
import type { Api } from "../api.ts";
import { change } from "../core/events.ts";
import { page } from "../core/lists.ts";
import { expand, listParams, mergeMetadata, metadata, text } from "../core/params.ts";
import { search, searchParams } from "../core/search.ts";
import { all, need } from "../core/world.ts";

const ListParams = z.strictObject({ ...listParams, customer: text.optional(), payment_intent: text.optional() });
const UpdateParams = z.strictObject({ description: text.optional(), metadata: metadata.optional(), expand });
const BalanceListParams = z.strictObject({ ...listParams, source: text.optional(), type: text.optional() });

export function chargeRoutes(api: Api): void {
  api.get("/v1/charges/search", searchParams, (world, params) =>
    search(world, all(world, "charge"), params, "/v1/charges/search"),
  );
  api.get("/v1/charges", ListParams, (world, params) => {
    return page(
      world,
      all(world, "charge"),
      params,
      "/v1/charges",
      (row) =>
        (params.customer === undefined || row.customer === params.customer) &&
        (params.payment_intent === undefined || row.payment_intent === params.payment_intent),
    );
  });
  api.get("/v1/charges/:id", z.strictObject({ expand }), (world, _params, id) => need(world, "charge", id));
  api.post("/v1/charges/:id", UpdateParams, (world, params, id) => {
    const charge = need(world, "charge", id);
    change(world, "charge.updated", charge, () => {
      if (params.description !== undefined) charge.description = params.description;
      charge.metadata = mergeMetadata(charge.metadata, params.metadata);
    });
    return charge;
  });

  api.get("/v1/balance_transactions", BalanceListParams, (world, params) => {
    return page(
      world,
      all(world, "balance_transaction"),
      params,
      "/v1/balance_transactions",
      (row) =>
        (params.source === undefined || row.source === params.source) &&
        (params.type === undefined || row.type === params.type),
    );
  });
  api.get("/v1/balance_transactions/:id", z.strictObject({ expand }), (world, _params, id) =>
    need(world, "balance_transaction", id),
  );
}
