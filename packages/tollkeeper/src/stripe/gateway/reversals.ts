/**
 * Sends requests about refunds and disputes to Stripe.
 * @see https://docs.stripe.com/api/refunds
 * @see https://docs.stripe.com/api/disputes
 */
import type Stripe from "stripe";
import type { InvoiceRecord } from "../../domain/records.ts";
import * as records from "../records.ts";
import { createdIn, pageParams, toPage } from "./lists.ts";
import { translateErrors, translateErrorsOrNull } from "./stripe-errors.ts";
import { PAYMENT_OF_INVOICE } from "./subscriptions.ts";
import { MAX_LISTED, PAGE_SIZE, type Page, type ReversalCalls } from "./types.ts";

export function reversalCalls(stripe: Stripe): ReversalCalls {
  return {
    retrieveRefund: (id) =>
      translateErrorsOrNull(async () => {
        const refund = await stripe.refunds.retrieve(id, { expand: ["charge"] });
        const found = await findPaid(stripe, refund);
        return found && { reversal: records.toRefund(refund, found.paid), invoice: found.invoice };
      }),

    retrieveDispute: (id) =>
      translateErrorsOrNull(async () => {
        const dispute = await stripe.disputes.retrieve(id, { expand: ["charge"] });
        const found = await findPaid(stripe, dispute);
        return found && { reversal: records.toDispute(dispute, found.paid), invoice: found.invoice };
      }),

    listPaidInvoices: (subscription, since) =>
      translateErrors(async () => {
        const created = { gte: records.toSeconds(since) };
        const listed = await stripe.invoices
          .list({ subscription, created, status: "paid", limit: PAGE_SIZE })
          .autoPagingToArray({ limit: MAX_LISTED });
        return listed.map(records.toInvoice);
      }),

    listRefundPage: (range, after) =>
      translateErrors(async () => {
        const params = { ...pageParams(after), ...createdIn(range), expand: ["data.charge"] };
        return withCustomer(
          await toPage(await stripe.refunds.list(params), (refund) => toListed(refund, records.toRefund)),
        );
      }),

    listDisputePage: (range, after) =>
      translateErrors(async () => {
        const params = { ...pageParams(after), ...createdIn(range), expand: ["data.charge"] };
        const list = await stripe.disputes.list(params);
        return withCustomer(await toPage(list, (dispute) => toListed(dispute, records.toDispute)));
      }),
  };
}

interface Found {
  paid: records.PaidBy;
  invoice: InvoiceRecord | null;
}

/** Finds the customer and the invoice of a refunded or disputed payment. Returns null if the payment has no customer. */
async function findPaid(
  stripe: Stripe,
  { charge, payment_intent: intent }: Pick<Stripe.Refund, "charge" | "payment_intent">,
): Promise<Found | null> {
  const customerId = records.customerOfCharge(charge);
  if (customerId === null) return null;
  const intentId = records.idOf(intent);
  const invoiceId = intentId === null ? null : await findInvoiceOfPayment(stripe, intentId);
  if (invoiceId === null) return { paid: { customerId, invoiceId, subscriptionId: null }, invoice: null };
  const invoice = records.toInvoice(await stripe.invoices.retrieve(invoiceId, { expand: [PAYMENT_OF_INVOICE] }));
  return { paid: { customerId, invoiceId, subscriptionId: invoice.subscriptionId }, invoice };
}

/** @see https://docs.stripe.com/api/invoice-payment/list */
async function findInvoiceOfPayment(stripe: Stripe, intentId: string): Promise<string | null> {
  const payment = { type: "payment_intent", payment_intent: intentId } as const;
  const { data } = await stripe.invoicePayments.list({ payment, limit: 1 });
  return records.idOf(data[0]?.invoice);
}

function toListed<Listed extends { charge: string | Stripe.Charge | null }, Row>(
  listed: Listed,
  toRecord: (listed: Listed, paid: records.PaidBy) => Row,
): Row | null {
  const customerId = records.customerOfCharge(listed.charge);
  return customerId === null ? null : toRecord(listed, { customerId, invoiceId: null, subscriptionId: null });
}

function withCustomer<Row>(page: Page<Row | null>): Page<Row> {
  return { ...page, rows: page.rows.flatMap((row) => row ?? []) };
}
