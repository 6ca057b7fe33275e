/** An invoice is fixed, and what is paid has its consequences. */
import { ApiError } from "../core/errors.ts";
import { change, emit } from "../core/events.ts";
import { clearTimer } from "../core/timers.ts";
import { need, now, of, type World } from "../core/world.ts";
import { setDelinquent, type Customer } from "./customers.ts";
import { changeBalance } from "./customer-balance.ts";
import { addUp, subscriptionOf, type Invoice } from "./invoices.ts";
import { applyPending } from "./pending-plans.ts";
import { paymentRecovered } from "./subscription-changes.ts";

/** Fixes the amount, and takes credit into account. What then is free is paid at once, without a payment intent. */
export function finalizeInvoice(world: World, invoice: Invoice): void {
  if (invoice.status !== "draft")
    throw new ApiError(`This invoice is already finalized, you can't re-finalize a non-draft invoice.`, {
      code: "invoice_not_editable",
    });
  const at = now(world);
  const customer = need(world, "customer", invoice.customer);
  addUp(world, invoice);
  clearTimer(world, "invoice_finalizes", invoice.id);
  invoice.status = "open";
  invoice.number = takeNumber(world, customer, invoice.currency);
  invoice.effective_at = at;
  // Automatic means what is usual in the account's country.
  if (invoice.rendering?.pdf.page_size === "auto") invoice.rendering.pdf.page_size = "letter";
  invoice.automatically_finalizes_at = null;
  invoice.webhooks_delivered_at ??= at;
  invoice.status_transitions.finalized_at = at;
  invoice.ending_balance = Math.min(0, invoice.total + invoice.starting_balance);
  const applied = invoice.ending_balance - invoice.starting_balance;
  if (applied !== 0)
    changeBalance(world, customer, applied, invoice.currency, { type: "applied_to_invoice", invoice: invoice.id });
  invoice.hosted_invoice_url = `${world.baseUrl}/i/${invoice.id}`;
  invoice.invoice_pdf = `${world.baseUrl}/i/${invoice.id}?print=1`;
  emit(world, "invoice.finalized", invoice);
  if (invoice.amount_due === 0) markPaid(world, invoice);
}

/** The customer's next number. It counts on, which is told. */
function takeNumber(world: World, customer: Customer, currency: string): string {
  const number = `${customer.invoice_prefix}-${String(customer.next_invoice_sequence).padStart(4, "0")}`;
  change(world, "customer.updated", customer, (row) => {
    row.next_invoice_sequence += 1;
    row.currency ??= currency;
  });
  return number;
}

export function markPaid(world: World, invoice: Invoice, outOfBand = false): void {
  const at = now(world);
  clearTimer(world, "invoice_retries", invoice.id);
  invoice.attempted = true;
  invoice.status = "paid";
  if (!outOfBand) invoice.amount_paid = invoice.amount_due;
  invoice.amount_remaining = 0;
  invoice.auto_advance = false;
  invoice.next_payment_attempt = null;
  invoice.status_transitions.paid_at = at;
  const payments = of(world, "invoice_payment", "invoice", invoice.id, ({ status }) => status === "open");
  for (const payment of payments)
    if (outOfBand) Object.assign(payment, { status: "canceled" });
    else
      Object.assign(payment, {
        status: "paid",
        amount_paid: payment.amount_requested,
        status_transitions: { ...payment.status_transitions, paid_at: at },
      });
  emit(world, "invoice.paid", invoice);
  emit(world, "invoice.payment_succeeded", invoice);
  if (!outOfBand) for (const payment of payments) emit(world, "invoice_payment.paid", payment);
  setDelinquent(world, invoice.customer, false);
  const subscription = subscriptionOf(world, invoice);
  if (!subscription) return;
  applyPending(world, subscription, invoice);
  paymentRecovered(world, subscription);
}
