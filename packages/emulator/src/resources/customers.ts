/** Customers. @see https://docs.stripe.com/api/customers */
import { z } from "zod";
import type { Api } from "../api.ts";
import { changeBalance } from "../billing/customer-balance.ts";
import { needCustomer, newCustomer, toAddress, type Customer } from "../billing/customers.ts";
import { attach, methodFromIdOrToken, type PaymentMethod } from "../billing/payment-methods.ts";
import { isOver } from "../billing/subscription-periods.ts";
import { end } from "../billing/subscription-endings.ts";
import { change, emit } from "../core/events.ts";
import { ApiError } from "../core/errors.ts";
import { page } from "../core/lists.ts";
import { currency, expand, integer, listParams, mergeMetadata, metadata, text, unsettable } from "../core/params.ts";
import { search, searchParams } from "../core/search.ts";
import { all, insert, need, of, type World } from "../core/world.ts";
import { checkTaxId, createTaxId } from "./tax-ids.ts";

const email = unsettable(z.string().max(512)).optional();
const address = z.strictObject({
  city: text.optional(),
  country: text.optional(),
  line1: text.optional(),
  line2: text.optional(),
  postal_code: text.optional(),
  state: text.optional(),
});
const fields = {
  email,
  name: unsettable(text).optional(),
  description: unsettable(text).optional(),
  phone: unsettable(text).optional(),
  address: unsettable(address).optional(),
  preferred_locales: z.array(text).optional(),
  tax_exempt: z.enum(["none", "exempt", "reverse"]).optional(),
  balance: integer.optional(),
  invoice_prefix: text.optional(),
  metadata: metadata.optional(),
  invoice_settings: z
    .strictObject({ default_payment_method: unsettable(text).optional(), footer: unsettable(text).optional() })
    .optional(),
  expand,
};
const CreateParams = z.strictObject({
  ...fields,
  payment_method: text.optional(),
  tax_id_data: z.array(z.strictObject({ type: text, value: text })).optional(),
  test_clock: text.optional(),
});
const UpdateParams = z.strictObject(fields);
const ListParams = z.strictObject({ ...listParams, email: text.optional(), test_clock: text.optional() });
const Nothing = z.strictObject({ expand });

/** Stripe keeps a deleted customer's id, and nothing else. */
interface DeletedCustomer {
  id: string;
  object: "customer";
  deleted: true;
}

export function customerRoutes(api: Api): void {
  api.post("/v1/customers", CreateParams, (world, params) => {
    checkEmail(params.email);
    for (const taxId of params.tax_id_data ?? []) checkTaxId(taxId);
    if (params.test_clock !== undefined) need(world, "test_helpers.test_clock", params.test_clock, "test_clock");
    const customer = insert(world, "customer", newCustomer(world, params));
    const method =
      params.payment_method === undefined ? null : methodFromIdOrToken(world, params.payment_method, "payment_method");
    if (method) attach(world, method, customer.id);
    applySettings(world, customer, namingTheCard(params, method));
    emit(world, "customer.created", customer);
    if (params.balance) changeBalance(world, customer, params.balance, "usd", { type: "initial" });
    for (const taxId of params.tax_id_data ?? []) createTaxId(world, customer.id, taxId);
    return customer;
  });

  api.get("/v1/customers/search", searchParams, (world, params) =>
    search(world, living(world), params, "/v1/customers/search"),
  );

  api.get("/v1/customers", ListParams, (world, params) => {
    const isAsked = (row: Customer): boolean =>
      (params.email === undefined || row.email === params.email) &&
      (row.test_clock === (params.test_clock ?? null) || params.email !== undefined);
    return page(world, living(world), params, "/v1/customers", isAsked);
  });

  api.get("/v1/customers/:id", Nothing, (world, _params, id) => need(world, "customer", id));

  api.post("/v1/customers/:id", UpdateParams, (world, params, id) => {
    const customer = needCustomer(world, id);
    checkEmail(params.email);
    const balance = params.balance === undefined ? 0 : params.balance - customer.balance;
    change(world, "customer.updated", customer, () => {
      const { email: address_, name, description, phone, preferred_locales: locales, tax_exempt: exempt } = params;
      if (address_ !== undefined) customer.email = address_;
      if (name !== undefined) customer.name = name;
      if (description !== undefined) customer.description = description;
      if (phone !== undefined) customer.phone = phone;
      if (locales !== undefined) customer.preferred_locales = locales;
      if (exempt !== undefined) customer.tax_exempt = exempt;
      if (params.address !== undefined) customer.address = toAddress(params.address);
      if (params.invoice_prefix !== undefined) customer.invoice_prefix = params.invoice_prefix;
      applySettings(world, customer, params);
      customer.metadata = mergeMetadata(customer.metadata, params.metadata);
    });
    if (balance !== 0) changeBalance(world, customer, balance, customer.currency ?? "usd", { type: "adjustment" });
    return customer;
  });

  api.delete("/v1/customers/:id", z.strictObject({}), (world, _params, id) => {
    const customer = needCustomer(world, id);
    for (const subscription of of(world, "subscription", "customer", id))
      if (!isOver(subscription)) end(world, subscription, "cancellation_requested");
    for (const method of all(world, "payment_method")) if (method.customer === id) method.customer = null;
    const deleted: DeletedCustomer = { id, object: "customer", deleted: true };
    world.account.tables.customer.set(id, deleted as unknown as Customer);
    emit(world, "customer.deleted", customer);
    return deleted;
  });

  api.delete("/v1/customers/:id/discount", z.strictObject({}), (world, _params, id) => {
    const customer = needCustomer(world, id);
    const { discount } = customer;
    if (!discount)
      throw new ApiError(`No active discount for customer: ${id}`, { status: 404, code: "resource_missing" });
    customer.discount = null;
    emit(world, "customer.discount.deleted", discount);
    return { ...discount, deleted: true };
  });

  balanceRoutes(api);
}

function balanceRoutes(api: Api): void {
  const path = "/v1/customers/:id/balance_transactions";
  const Change = z.strictObject({
    amount: integer,
    currency,
    description: text.optional(),
    metadata: metadata.optional(),
    expand,
  });
  api.post(path, Change, (world, params, id) =>
    changeBalance(world, needCustomer(world, id), params.amount, params.currency, {
      type: "adjustment",
      description: params.description ?? null,
      metadata: mergeMetadata({}, params.metadata),
    }),
  );
  api.get(path, z.strictObject(listParams), (world, params, id) =>
    page(
      world,
      of(world, "customer_balance_transaction", "customer", needCustomer(world, id).id),
      params,
      path.replace(":id", id),
    ),
  );
  api.get(`${path}/:child`, Nothing, (world, _params, _id, child) =>
    need(world, "customer_balance_transaction", child),
  );

  api.get(
    "/v1/customers/:id/payment_methods",
    z.strictObject({ ...listParams, type: text.optional() }),
    (world, params, id) => {
      needCustomer(world, id);
      return page(
        world,
        all(world, "payment_method"),
        params,
        `/v1/customers/${id}/payment_methods`,
        (row) => row.customer === id,
      );
    },
  );
  api.get("/v1/customers/:id/payment_methods/:child", Nothing, (world, _params, id, child) => {
    const method = need(world, "payment_method", child, "payment_method");
    if (method.customer !== id)
      throw new ApiError(`No such payment_method: '${child}'`, { status: 404, code: "resource_missing" });
    return method;
  });
}

function checkEmail(value: string | null | undefined): void {
  if (value == null || /^[^\s@]+@[^\s@]+$/.test(value)) return;
  throw new ApiError(`Invalid email address: ${value}`, { code: "email_invalid", param: "email" });
}

/** A token such as `pm_card_visa` names the same new card in both places. */
function namingTheCard(
  params: z.output<typeof CreateParams>,
  method: PaymentMethod | null,
): Pick<z.output<typeof UpdateParams>, "invoice_settings"> {
  const { invoice_settings: settings, payment_method: token } = params;
  if (!method || settings?.default_payment_method !== token) return params;
  return { invoice_settings: { ...settings, default_payment_method: method.id } };
}

function applySettings(
  world: World,
  customer: Customer,
  params: Pick<z.output<typeof UpdateParams>, "invoice_settings">,
): void {
  const method = params.invoice_settings?.default_payment_method;
  if (method) needOwnMethod(world, customer, method);
  if (method !== undefined) customer.invoice_settings.default_payment_method = method;
  if (params.invoice_settings?.footer !== undefined) customer.invoice_settings.footer = params.invoice_settings.footer;
}

function needOwnMethod(world: World, customer: Customer, method: string): void {
  if (need(world, "payment_method", method, "invoice_settings[default_payment_method]").customer !== customer.id)
    throw new ApiError(
      `The customer does not have a payment method with the ID ${method}. The payment method must be attached to the customer.`,
      { code: "resource_missing", param: "invoice_settings[default_payment_method]" },
    );
}

function living(world: World): Customer[] {
  return all(world, "customer", (customer) => !("deleted" in customer));
}
