/** Invoices and payment intents over the API. @see https://docs.stripe.com/api/invoices */
import { z } from "zod";
import type { Api } from "../api.ts";
import { payInvoice, subscriptionOf, voidInvoice } from "../billing/invoices.ts";
import { defaultPaymentMethod } from "../billing/subscriptions.ts";
import { ApiError } from "../core/errors.ts";
import { page } from "../core/lists.ts";
import { expand, listParams, text } from "../core/params.ts";
import { all, need } from "../core/world.ts";
import { attach, methodFromIdOrToken } from "./payment-methods.ts";

const ListParams = z.strictObject({
  ...listParams,
  customer: text.optional(),
  subscription: text.optional(),
  status: text.optional(),
});
const PayParams = z.strictObject({ payment_method: text.optional(), expand });

export function invoiceRoutes(api: Api): void {
  api.get("/v1/invoices", ListParams, (world, params) => {
    const rows = all(world, "invoice").filter(
      (row) =>
        (params.customer === undefined || row.customer === params.customer) &&
        (params.subscription === undefined || row.parent.subscription_details.subscription === params.subscription) &&
        (params.status === undefined || row.status === params.status),
    );
    return page(rows, params, "/v1/invoices");
  });

  api.get("/v1/invoices/:id", z.strictObject({ expand }), (world, _params, id) => need(world, "invoice", id));

  api.post("/v1/invoices/:id/pay", PayParams, (world, params, id) => {
    const invoice = need(world, "invoice", id);
    if (invoice.status === "paid") throw new ApiError("Invoice is already paid", { code: "invoice_already_paid" });
    if (invoice.status !== "open") throw new ApiError(`This invoice can't be paid: it is ${invoice.status}.`);
    const subscription = subscriptionOf(world, invoice);
    const given = params.payment_method ? methodFromIdOrToken(world, params.payment_method, "payment_method") : null;
    if (given) attach(world, given, invoice.customer);
    const card = given?.id ?? (subscription && defaultPaymentMethod(world, subscription));
    if (!card) throw new ApiError("There is no payment method to pay this invoice with.", { code: "resource_missing" });
    const intent = payInvoice(world, invoice, card, given !== null);
    const { last_payment_error: failure } = intent;
    if (failure && intent.status === "requires_payment_method") {
      const { type, message, code, decline_code } = failure;
      throw new ApiError(message, { status: 402, type, code, ...(decline_code && { decline_code }) });
    }
    return invoice;
  });

  api.post("/v1/invoices/:id/void", z.strictObject({ expand }), (world, _params, id) => {
    const invoice = need(world, "invoice", id);
    if (invoice.status !== "open") throw new ApiError("You can only void open invoices.");
    voidInvoice(world, invoice);
    return invoice;
  });

  api.get("/v1/payment_intents/:id", z.strictObject({ expand }), (world, _params, id) =>
    need(world, "payment_intent", id),
  );
}
