/** Defines the API routes of a customer's cards that were saved with tokens. @see https://docs.stripe.com/api/cards */
import { z } from "zod";
import type { Api } from "../api.ts";
import { addSource, removeSource, retrieveSource } from "../billing/customer-sources.ts";
import { retrieveCustomer } from "../billing/customers.ts";
import { sourcesOf } from "../billing/payment-methods.ts";
import { emitChange } from "../core/events.ts";
import { paginate } from "../core/pagination.ts";
import { expand, integer, listParams, mergeMetadata, metadata, text, unsettable } from "../core/params.ts";
import { toCard } from "../objects/card.ts";
import type { PaymentMethod } from "../objects/payment-method.ts";

const CreateParams = z.strictObject({ source: text, metadata: metadata.optional(), expand });
const UpdateParams = z.strictObject({
  address_city: text.optional(),
  address_country: text.optional(),
  address_line1: text.optional(),
  address_line2: text.optional(),
  address_state: text.optional(),
  address_zip: text.optional(),
  exp_month: integer.pipe(z.number().min(1).max(12)).optional(),
  exp_year: integer.pipe(z.number().min(1970).max(2200)).optional(),
  metadata: metadata.optional(),
  name: unsettable(text).optional(),
  expand,
});
const ListParams = z.strictObject({ ...listParams, object: z.enum(["card", "bank_account"]).optional() });

export function customerSourceRoutes(api: Api): void {
  const path = "/v1/customers/:id/sources";
  api.post(path, CreateParams, (context, params, id) => {
    const customer = retrieveCustomer(context, id);
    const method = addSource(context, customer, params.source, mergeMetadata({}, params.metadata));
    emitChange(context, "customer.updated", customer, (row) => {
      row.default_source ??= method.id;
    });
    return toCard(method);
  });

  api.get(path, ListParams, (context, params, id) => {
    const cards =
      params.object === "bank_account" ? [] : sourcesOf(context, retrieveCustomer(context, id).id).map(toCard);
    return paginate(context, cards, params, { url: path.replace(":id", id) });
  });

  api.get(`${path}/:child`, z.strictObject({ expand }), (context, _params, id, child) =>
    toCard(retrieveSource(context, retrieveCustomer(context, id).id, child)),
  );

  api.post(`${path}/:child`, UpdateParams, (context, params, id, child) => {
    const method = retrieveSource(context, retrieveCustomer(context, id).id, child);
    const before = toCard(method);
    emitChange(context, "customer.source.updated", { ...before, metadata: { ...before.metadata } }, (card) => {
      change(method, params);
      Object.assign(card, toCard(method));
    });
    return toCard(method);
  });

  api.delete(`${path}/:child`, z.strictObject({}), (context, _params, id, child) => {
    const customer = retrieveCustomer(context, id);
    removeSource(context, retrieveSource(context, customer.id, child));
    return { id: child, object: "card", deleted: true };
  });
}

function change(method: PaymentMethod, params: z.output<typeof UpdateParams>): void {
  const { address } = method.billing_details;
  address.city = params.address_city ?? address.city;
  address.country = params.address_country ?? address.country;
  address.line1 = params.address_line1 ?? address.line1;
  address.line2 = params.address_line2 ?? address.line2;
  address.state = params.address_state ?? address.state;
  address.postal_code = params.address_zip ?? address.postal_code;
  if (params.name !== undefined) method.billing_details.name = params.name;
  method.card.exp_month = params.exp_month ?? method.card.exp_month;
  method.card.exp_year = params.exp_year ?? method.card.exp_year;
  method.metadata = mergeMetadata(method.metadata, params.metadata);
}
