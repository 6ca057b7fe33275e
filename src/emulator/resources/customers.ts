/** Customers. @see https://docs.stripe.com/api/customers */
import { z } from "zod";
import type { Api } from "../api.ts";
import { end, isOver } from "../billing/subscriptions.ts";
import { emit } from "../core/events.ts";
import { ApiError } from "../core/errors.ts";
import { page } from "../core/lists.ts";
import { expand, listParams, mergeMetadata, metadata, text, unsettable } from "../core/params.ts";
import { search } from "../core/search.ts";
import { all, need, newId, type World } from "../core/world.ts";

export type Customer = ReturnType<typeof newCustomer>;

const email = unsettable(z.string().regex(/^[^\s@]+@[^\s@]+$/, "must be an email address")).optional();
const fields = {
  email,
  name: unsettable(text).optional(),
  description: unsettable(text).optional(),
  phone: unsettable(text).optional(),
  metadata: metadata.optional(),
  expand,
};
const CreateParams = z.strictObject({ ...fields, payment_method: text.optional() });
const UpdateParams = z.strictObject({
  ...fields,
  invoice_settings: z.strictObject({ default_payment_method: unsettable(text).optional() }).optional(),
});
const ListParams = z.strictObject({ ...listParams, email: text.optional() });
const SearchParams = z.strictObject({ query: text, limit: listParams.limit, page: text.optional(), expand });

function newCustomer(world: World, params: z.output<typeof CreateParams>) {
  return {
    id: newId(world, "cus", 14),
    object: "customer" as const,
    address: null,
    balance: 0,
    created: world.state.now,
    currency: null as string | null,
    customer_account: null,
    default_source: null,
    delinquent: false,
    description: params.description ?? null,
    discount: null,
    email: params.email ?? null,
    invoice_prefix: newId(world, "p", 8).slice(2).toUpperCase(),
    invoice_settings: {
      custom_fields: null,
      default_payment_method: null as string | null,
      footer: null,
      rendering_options: null,
    },
    livemode: false as const,
    metadata: mergeMetadata({}, params.metadata),
    name: params.name ?? null,
    next_invoice_sequence: 1,
    phone: params.phone ?? null,
    preferred_locales: [],
    shipping: null,
    tax_exempt: "none",
    test_clock: null,
  };
}

/** Stripe keeps a deleted customer's id, and nothing else. */
interface DeletedCustomer {
  id: string;
  object: "customer";
  deleted: true;
}

export function customerRoutes(api: Api): void {
  api.post("/v1/customers", CreateParams, (world, params) => {
    const customer = newCustomer(world, params);
    world.state.tables.customer.set(customer.id, customer);
    emit(world, "customer.created", customer);
    return customer;
  });

  api.get("/v1/customers/search", SearchParams, (world, params) => {
    const found = search(living(world), params.query);
    const limited = found.toReversed().slice(0, params.limit ?? 10);
    return {
      object: "search_result",
      data: limited,
      has_more: found.length > limited.length,
      next_page: null,
      url: "/v1/customers/search",
    };
  });

  api.get("/v1/customers", ListParams, (world, params) => {
    const rows = living(world).filter((row) => params.email === undefined || row.email === params.email);
    return page(rows, params, "/v1/customers");
  });

  api.get("/v1/customers/:id", z.strictObject({ expand }), (world, _params, id) => needCustomerOrDeleted(world, id));

  api.post("/v1/customers/:id", UpdateParams, (world, params, id) => {
    const customer = needCustomer(world, id);
    const method = params.invoice_settings?.default_payment_method;
    if (method) needOwnMethod(world, customer, method);
    const previous = { email: customer.email, name: customer.name, metadata: customer.metadata };
    if (params.email !== undefined) customer.email = params.email;
    if (params.name !== undefined) customer.name = params.name;
    if (params.description !== undefined) customer.description = params.description;
    if (params.phone !== undefined) customer.phone = params.phone;
    if (method !== undefined) customer.invoice_settings.default_payment_method = method;
    customer.metadata = mergeMetadata(customer.metadata, params.metadata);
    emit(world, "customer.updated", customer, previous);
    return customer;
  });

  api.delete("/v1/customers/:id", z.strictObject({}), (world, _params, id) => {
    const customer = needCustomer(world, id);
    for (const subscription of all(world, "subscription"))
      if (subscription.customer === id && !isOver(subscription)) end(world, subscription, "cancellation_requested");
    const deleted: DeletedCustomer = { id, object: "customer", deleted: true };
    world.state.tables.customer.set(id, deleted as unknown as Customer);
    emit(world, "customer.deleted", customer);
    return deleted;
  });
}

/** Throws for a customer that was deleted, too: it can't be used in anything new. */
export function needCustomer(world: World, id: string, param = "id"): Customer {
  const customer = need(world, "customer", id, param);
  if ("deleted" in customer)
    throw new ApiError(`No such customer: '${id}'`, {
      status: param === "id" ? 404 : 400,
      code: "resource_missing",
      param,
    });
  return customer;
}

function needCustomerOrDeleted(world: World, id: string): Customer {
  return need(world, "customer", id);
}

function needOwnMethod(world: World, customer: Customer, method: string): void {
  if (need(world, "payment_method", method, "invoice_settings[default_payment_method]").customer !== customer.id)
    throw new ApiError(`The payment method ${method} is not attached to customer ${customer.id}.`, {
      param: "invoice_settings[default_payment_method]",
    });
}

function living(world: World): Customer[] {
  return all(world, "customer").filter((customer) => !("deleted" in customer));
}
