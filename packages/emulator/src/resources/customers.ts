/** Defines the API routes of customers. @see https://docs.stripe.com/api/customers */
import { z } from "zod";
import type { Api } from "../api.ts";
import { changeBalance } from "../billing/customer-balance.ts";
import { deleteCustomer } from "../billing/customer-deletion.ts";
import { addSource, removeSource, retrieveSource } from "../billing/customer-sources.ts";
import { refreshDrafts, setTaxIpAddress, validateLocation } from "../billing/customer-tax.ts";
import { retrieveCustomer } from "../billing/customers.ts";
import { attach, methodFromIdOrToken } from "../billing/payment-methods.ts";
import { deletedDiscount, endDiscount } from "../billing/subscriber-discounts.ts";
import { checkTaxId, createTaxId } from "../billing/tax-ids.ts";
import { ApiError } from "../core/errors.ts";
import { emit, emitChange } from "../core/events.ts";
import { hasFields, paginate } from "../core/pagination.ts";
import {
  currency,
  email,
  expand,
  integer,
  listParams,
  mergeMetadata,
  metadata,
  text,
  unsettable,
} from "../core/params.ts";
import { find, insert, listAll, listBy, retrieve } from "../core/rows.ts";
import { search, searchParams } from "../core/search.ts";
import type { Context } from "../core/state.ts";
import { type Customer, newCustomer, toAddress, toShipping } from "../objects/customer.ts";
import type { PaymentMethod } from "../objects/payment-method.ts";
import { methodFilters } from "./payment-methods.ts";
import { addressParam, shippingParam } from "./shared-params.ts";

const MAX_NAME_LENGTH = 256;
const fullName = unsettable(z.string().max(150)).optional();
const fields = {
  business_name: fullName,
  email: unsettable(email).optional(),
  individual_name: fullName,
  name: unsettable(z.string().max(MAX_NAME_LENGTH)).optional(),
  description: unsettable(text).optional(),
  phone: unsettable(text).optional(),
  address: unsettable(addressParam).optional(),
  preferred_locales: z.array(text).optional(),
  shipping: shippingParam,
  tax_exempt: z.enum(["none", "exempt", "reverse"]).optional(),
  balance: integer.optional(),
  invoice_prefix: text.optional(),
  metadata: metadata.optional(),
  source: text.optional(),
  invoice_settings: z
    .strictObject({ default_payment_method: unsettable(text).optional(), footer: unsettable(text).optional() })
    .optional(),
  expand,
};
const CreateParams = z.strictObject({
  ...fields,
  payment_method: text.optional(),
  tax: z
    .strictObject({
      ip_address: unsettable(text).optional(),
      validate_location: z.enum(["deferred", "immediately"]).optional(),
    })
    .optional(),
  tax_id_data: z.array(z.strictObject({ type: text, value: text })).optional(),
  test_clock: text.optional(),
});
const UpdateParams = z.strictObject({
  ...fields,
  default_source: text.optional(),
  tax: z
    .strictObject({
      ip_address: unsettable(text).optional(),
      validate_location: z.enum(["auto", "deferred", "immediately"]).optional(),
    })
    .optional(),
});
const ListParams = z.strictObject({ ...listParams, email: text.optional(), test_clock: text.optional() });
const NoParams = z.strictObject({ expand });

export function customerRoutes(api: Api): void {
  api.post("/v1/customers", CreateParams, create);

  api.get("/v1/customers/search", searchParams, (context, params) =>
    search(context, listCustomers(context), params, "/v1/customers/search"),
  );

  api.get("/v1/customers", ListParams, (context, params) => {
    const isAsked = (row: Customer): boolean =>
      hasFields(row, { email: params.email, test_clock: params.test_clock ?? null });
    return paginate(context, listCustomers(context), params, { url: "/v1/customers", filter: isAsked });
  });

  api.get("/v1/customers/:id", NoParams, (context, _params, id) => retrieve(context, "customer", id));

  api.post("/v1/customers/:id", UpdateParams, update);

  api.delete("/v1/customers/:id", z.strictObject({}), (context, _params, id) =>
    deleteCustomer(context, retrieveCustomer(context, id)),
  );

  api.delete("/v1/customers/:id/discount", z.strictObject({}), (context, _params, id) => {
    const customer = retrieveCustomer(context, id);
    const { discount } = customer;
    if (!discount)
      throw new ApiError(`No active discount for customer: ${id}`, { status: 404, code: "resource_missing" });
    const ended = retrieve(context, "discount", discount.id);
    endDiscount(context, ended);
    return deletedDiscount(ended);
  });

  balanceRoutes(api);
}

function create(context: Context, params: z.output<typeof CreateParams>): Customer {
  for (const taxId of params.tax_id_data ?? []) checkTaxId(taxId);
  if (params.test_clock !== undefined) retrieve(context, "test_helpers.test_clock", params.test_clock, "test_clock");
  const customer = insert(context, "customer", newCustomer(context, params));
  const method =
    params.payment_method === undefined ? null : methodFromIdOrToken(context, params.payment_method, "payment_method");
  if (method) attach(context, method, customer.id);
  if (params.source !== undefined) customer.default_source = addSource(context, customer, params.source).id;
  applySettings(context, customer, withCardId(params, method));
  setTaxIpAddress(context, customer, params.tax?.ip_address);
  validateLocation(context, customer, params.tax?.validate_location);
  emit(context, "customer.created", customer);
  if (params.balance) changeBalance(context, customer, { amount: params.balance, currency: "usd", type: "initial" });
  for (const taxId of params.tax_id_data ?? []) createTaxId(context, customer.id, taxId);
  return customer;
}

function update(context: Context, params: z.output<typeof UpdateParams>, id: string): Customer {
  const customer = retrieveCustomer(context, id);
  const balance = params.balance === undefined ? 0 : params.balance - customer.balance;
  const source = newDefaultSource(context, customer, params);
  const oldSource = params.source === undefined ? undefined : find(context, "payment_method", customer.default_source);
  emitChange(context, "customer.updated", customer, () => {
    const { email: address_, name, description, phone, preferred_locales: locales, tax_exempt: exempt } = params;
    if (address_ !== undefined) customer.email = address_;
    if (name !== undefined) customer.name = name;
    setFullNames(customer, params);
    if (description !== undefined) customer.description = description;
    if (phone !== undefined) customer.phone = phone;
    if (locales !== undefined) customer.preferred_locales = locales;
    if (exempt !== undefined) customer.tax_exempt = exempt;
    if (params.address !== undefined) customer.address = toAddress(params.address);
    if (params.shipping !== undefined) customer.shipping = toShipping(params.shipping);
    if (params.invoice_prefix !== undefined) customer.invoice_prefix = params.invoice_prefix;
    customer.default_source = source?.id ?? customer.default_source;
    applySettings(context, customer, params);
    customer.metadata = mergeMetadata(customer.metadata, params.metadata);
  });
  // Stripe replaces the default source by the source of an update.
  if (oldSource) removeSource(context, oldSource);
  setTaxIpAddress(context, customer, params.tax?.ip_address);
  const relocates = params.address !== undefined || params.shipping !== undefined || params.tax !== undefined;
  if (relocates || params.invoice_settings?.default_payment_method !== undefined)
    validateLocation(context, customer, params.tax?.validate_location ?? "auto");
  refreshDrafts(context, customer);
  if (balance !== 0)
    changeBalance(context, customer, { amount: balance, currency: customer.currency ?? "usd", type: "adjustment" });
  return customer;
}

/** Sets the names of a person and of a business. A customer without such a name lacks the field. */
function setFullNames(customer: Customer, params: z.output<typeof UpdateParams>): void {
  for (const field of ["business_name", "individual_name"] as const) {
    const name = params[field];
    if (name === null) delete customer[field];
    else if (name !== undefined) customer[field] = name;
  }
}

/** Returns the card that an update makes the default source: the card of a token, or a saved card; null if there is none. */
function newDefaultSource(
  context: Context,
  customer: Customer,
  { source, default_source: saved }: z.output<typeof UpdateParams>,
): PaymentMethod | null {
  if (source !== undefined) return addSource(context, customer, source);
  return saved === undefined ? null : retrieveSource(context, customer.id, saved, "default_source");
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
  api.post(path, Change, (context, params, id) =>
    changeBalance(context, retrieveCustomer(context, id), {
      amount: params.amount,
      currency: params.currency,
      type: "adjustment",
      description: params.description ?? null,
      metadata: mergeMetadata({}, params.metadata),
    }),
  );
  api.get(path, z.strictObject({ ...listParams, invoice: text.optional() }), (context, params, id) =>
    paginate(
      context,
      listBy(context, "customer_balance_transaction", { customer: retrieveCustomer(context, id).id }),
      params,
      { url: path.replace(":id", id), filter: (row) => hasFields(row, { invoice: params.invoice }) },
    ),
  );
  api.get(`${path}/:child`, NoParams, (context, _params, _id, child) =>
    retrieve(context, "customer_balance_transaction", child),
  );

  api.get(
    "/v1/customers/:id/payment_methods",
    z.strictObject({ ...listParams, ...methodFilters }),
    (context, params, id) => {
      retrieveCustomer(context, id);
      const { allow_redisplay, type } = params;
      return paginate(context, listAll(context, "payment_method"), params, {
        url: `/v1/customers/${id}/payment_methods`,
        filter: (row) => row.customer === id && hasFields(row, { allow_redisplay, type }),
      });
    },
  );
  api.get("/v1/customers/:id/payment_methods/:child", NoParams, (context, _params, id, child) => {
    const method = retrieve(context, "payment_method", child, "payment_method");
    if (method.customer !== id)
      throw new ApiError(`No such payment_method: '${child}'`, { status: 404, code: "resource_missing" });
    return method;
  });
}

/** Replaces a test token such as `pm_card_visa` in the parameters with the ID of the card that the request creates. */
function withCardId(
  params: z.output<typeof CreateParams>,
  method: PaymentMethod | null,
): Pick<z.output<typeof UpdateParams>, "invoice_settings"> {
  const { invoice_settings: settings, payment_method: token } = params;
  if (!method || settings?.default_payment_method !== token) return params;
  return { invoice_settings: { ...settings, default_payment_method: method.id } };
}

function applySettings(
  context: Context,
  customer: Customer,
  params: Pick<z.output<typeof UpdateParams>, "invoice_settings">,
): void {
  const method = params.invoice_settings?.default_payment_method;
  if (method) checkOwnMethod(context, customer, method);
  if (method !== undefined) customer.invoice_settings.default_payment_method = method;
  if (params.invoice_settings?.footer !== undefined) customer.invoice_settings.footer = params.invoice_settings.footer;
}

function checkOwnMethod(context: Context, customer: Customer, method: string): void {
  if (retrieve(context, "payment_method", method, "invoice_settings[default_payment_method]").customer !== customer.id)
    throw new ApiError(
      `The customer does not have a payment method with the ID ${method}. The payment method must be attached to the customer.`,
      { code: "resource_missing", param: "invoice_settings[default_payment_method]" },
    );
}

function listCustomers(context: Context): Customer[] {
  return listAll(context, "customer", (customer) => !("deleted" in customer));
}
