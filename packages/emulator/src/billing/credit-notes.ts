/** Credit notes: a finalized invoice made smaller, or money given back for it. @see https://docs.stripe.com/invoicing/integration/programmatic-credit-notes */
import { ApiError } from "../core/errors.ts";
import { change, emit } from "../core/events.ts";
import { newId } from "../core/ids.ts";
import { find, insert, need, now, of, type World } from "../core/world.ts";
import { changeBalance } from "./customer-balance.ts";
import { intentOf, type Invoice } from "./invoices.ts";
import { refundCharge } from "./refunds.ts";
import { markPaid } from "./settlement.ts";
import type { LineTax } from "./taxes.ts";

export type CreditNote = ReturnType<typeof newCreditNote>;

export interface CreditLine {
  /** Without taxes, before discounts; minor units. */
  amount: number;
  description: string | null;
  invoiceLine: string | null;
  quantity: number | null;
  unitAmount: number | null;
  taxes: LineTax[];
  discounts: { amount: number; discount: string }[];
}

export interface NewCreditNote {
  invoice: Invoice;
  lines: CreditLine[];
  /** How it is given back where the invoice is paid: they add up to the total. */
  creditAmount: number;
  refundAmount: number;
  outOfBandAmount: number;
  memo: string | null;
  reason: "duplicate" | "fraudulent" | "order_change" | "product_unsatisfactory" | null;
  effectiveAt: number | null;
  metadata: Record<string, string>;
}

/** What it would be, without keeping or changing anything. Throws where it can't be issued. */
export function newCreditNote(world: World, input: NewCreditNote) {
  const { invoice } = input;
  const id = newId(world, "cn");
  const lines = input.lines.map((line) => newLine(world, line));
  const subtotal = sum(lines.map(({ amount }) => amount));
  const discounts = sumBy(lines.flatMap((line) => line.discount_amounts));
  const taxes = lines.flatMap((line) => line.taxes);
  const exclusive = sum(taxes.filter((tax) => tax.tax_behavior === "exclusive").map(({ amount }) => amount));
  const inclusive = sum(taxes.map(({ amount }) => amount)) - exclusive;
  const off = sum(discounts.map(({ amount }) => amount));
  const total = subtotal - off + exclusive;
  check(world, input, total);
  const paid = invoice.status === "paid";
  return {
    id,
    object: "credit_note" as const,
    amount: total,
    amount_shipping: 0,
    created: now(world),
    currency: invoice.currency,
    customer: invoice.customer,
    customer_account: null,
    customer_balance_transaction: null as string | null,
    discount_amount: off,
    discount_amounts: discounts,
    effective_at: input.effectiveAt ?? now(world),
    invoice: invoice.id,
    lines: {
      object: "list" as const,
      data: lines,
      has_more: false,
      total_count: lines.length,
      url: `/v1/credit_notes/${id}/lines`,
    },
    livemode: false as const,
    memo: input.memo,
    metadata: input.metadata,
    number: nextNumber(world, invoice),
    out_of_band_amount: input.outOfBandAmount || null,
    pdf: `${world.baseUrl}/i/${invoice.id}?print=1`,
    post_payment_amount: paid ? total : 0,
    pre_payment_amount: paid ? 0 : total,
    pretax_credit_amounts: discounts.map((discount) => ({ ...discount, type: "discount" as const })),
    reason: input.reason,
    refunds: [] as { amount_refunded: number; payment_record_refund: null; refund: string; type: "refund" }[],
    shipping_cost: null,
    status: "issued" as "issued" | "void",
    subtotal,
    subtotal_excluding_tax: subtotal - inclusive,
    total,
    total_excluding_tax: total - exclusive - inclusive,
    total_taxes: taxes,
    type: paid ? ("post_payment" as const) : ("pre_payment" as const),
    voided_at: null as number | null,
  };
}

function nextNumber(world: World, invoice: Invoice): string {
  const count = of(world, "credit_note", "invoice", invoice.id).length;
  return `${invoice.number}-CN-${String(count + 1).padStart(2, "0")}`;
}

function newLine(world: World, line: CreditLine) {
  return {
    id: newId(world, "cnli"),
    object: "credit_note_line_item" as const,
    amount: line.amount,
    description: line.description,
    discount_amount: sum(line.discounts.map(({ amount }) => amount)),
    discount_amounts: line.discounts,
    ...(line.invoiceLine !== null && { invoice_line_item: line.invoiceLine }),
    livemode: false as const,
    metadata: {},
    pretax_credit_amounts: line.discounts.map((discount) => ({ ...discount, type: "discount" as const })),
    quantity: line.quantity,
    tax_rates: [],
    taxes: line.taxes,
    type: line.invoiceLine === null ? ("custom_line_item" as const) : ("invoice_line_item" as const),
    unit_amount: line.unitAmount,
    unit_amount_decimal: line.unitAmount === null ? null : String(line.unitAmount),
  };
}

function check(world: World, input: NewCreditNote, total: number): void {
  const { invoice, creditAmount, refundAmount, outOfBandAmount } = input;
  if (invoice.status !== "open" && invoice.status !== "paid")
    throw new ApiError(
      `You can only create credit notes for open or paid invoices. This invoice is ${invoice.status}.`,
      { param: "invoice" },
    );
  if (total <= 0) throw new ApiError("A credit note must credit something.", { param: "amount" });
  const left = invoice.status === "open" ? invoice.amount_remaining : creditableOf(world, invoice);
  if (total > left)
    throw new ApiError(
      `The credit note of ${total} is more than the ${left} that can still be credited on ${invoice.id}.`,
      { param: "amount" },
    );
  const back = creditAmount + refundAmount + outOfBandAmount;
  if (invoice.status === "paid" && back !== total)
    throw new ApiError(
      `The sum of credit amount, refund amount and out of band amount (${back}) must equal the credit note amount (${total}).`,
    );
  if (invoice.status === "open" && back > 0)
    throw new ApiError("An open invoice has nothing to give back: leave the refund and credit amounts away.");
}

function creditableOf(world: World, invoice: Invoice): number {
  const issued = of(world, "credit_note", "invoice", invoice.id, ({ status }) => status === "issued");
  return invoice.total - sum(issued.map(({ amount }) => amount));
}

/** Keeps it, and makes the invoice smaller or gives back what was paid. */
export function issueCreditNote(world: World, note: CreditNote, input: NewCreditNote): CreditNote {
  const { invoice } = input;
  const intent = intentOf(world, invoice);
  if (input.refundAmount > 0) {
    const charge = find(world, "charge", intent?.latest_charge ?? null);
    if (!charge)
      throw new ApiError("This invoice was not paid with a charge that can be refunded.", { param: "refund_amount" });
    const refund = refundCharge(world, charge, input.refundAmount);
    note.refunds.push({
      amount_refunded: refund.amount,
      payment_record_refund: null,
      refund: refund.id,
      type: "refund",
    });
  }
  insert(world, "credit_note", note);
  if (input.creditAmount > 0) {
    const customer = need(world, "customer", invoice.customer);
    const reason = { type: "credit_note" as const, creditNote: note.id, invoice: invoice.id };
    note.customer_balance_transaction = changeBalance(
      world,
      customer,
      -input.creditAmount,
      invoice.currency,
      reason,
    ).id;
  }
  emit(world, "credit_note.created", note);
  change(world, "invoice.updated", invoice, (row) => {
    row.post_payment_credit_notes_amount += note.post_payment_amount;
    row.pre_payment_credit_notes_amount += note.pre_payment_amount;
    row.amount_due -= note.pre_payment_amount;
    row.amount_remaining -= note.pre_payment_amount;
  });
  askFor(world, invoice);
  if (invoice.status === "open" && invoice.amount_remaining === 0) markPaid(world, invoice, true);
  return note;
}

/** Undoes one that made an open invoice smaller. */
export function voidCreditNote(world: World, note: CreditNote): void {
  const invoice = need(world, "invoice", note.invoice);
  if (note.status === "void") throw new ApiError("This credit note is already void.");
  if (invoice.status !== "open" || note.type !== "pre_payment")
    throw new ApiError("You can only void credit notes of open invoices.");
  note.status = "void";
  note.voided_at = now(world);
  emit(world, "credit_note.voided", note);
  change(world, "invoice.updated", invoice, (row) => {
    row.pre_payment_credit_notes_amount -= note.pre_payment_amount;
    row.amount_due += note.pre_payment_amount;
    row.amount_remaining += note.pre_payment_amount;
  });
  askFor(world, invoice);
}

/** The payment under way asks for what is left. */
function askFor(world: World, invoice: Invoice): void {
  const intent = intentOf(world, invoice);
  if (invoice.status !== "open" || !intent || intent.status === "canceled") return;
  intent.amount = invoice.amount_remaining;
  for (const payment of of(world, "invoice_payment", "payment_intent", intent.id))
    payment.amount_requested = invoice.amount_remaining;
}

function sum(amounts: readonly number[]): number {
  return amounts.reduce((all, amount) => all + amount, 0);
}

function sumBy(amounts: readonly { amount: number; discount: string }[]): { amount: number; discount: string }[] {
  const sums = new Map<string, number>();
  for (const { amount, discount } of amounts) sums.set(discount, (sums.get(discount) ?? 0) + amount);
  return [...sums].map(([discount, amount]) => ({ amount, discount }));
}
