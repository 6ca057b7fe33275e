/**
 * Credit notes. A credit note reduces the amount of a finalized invoice.
 * @see https://docs.stripe.com/api/credit_notes/object
 */
import { now } from "../core/clock.ts";
import { newId } from "../core/ids.ts";
import { sum } from "../core/money.ts";
import type { ObjectSource } from "../core/object-source.ts";
import type { LineTax } from "./invoice-line.ts";
import type { Invoice } from "./invoice.ts";
import { sumTaxes, taxTotal } from "./line-taxes.ts";
import type { TaxRate } from "./tax-rate.ts";

export type CreditNote = ReturnType<typeof newCreditNote>;

export interface CreditLine {
  /** The amount of the credit note line in minor units, without taxes and before discounts. */
  amount: number;
  description: string | null;
  invoiceLine: string | null;
  quantity: number | null;
  unitAmount: number | null;
  taxes: LineTax[];
  /** The tax rates that the request set. Default: none. */
  taxRates?: TaxRate[];
  discounts: { amount: number; discount: string }[];
}

export interface NewCreditNote {
  invoice: Invoice;
  number: string;
  lines: CreditLine[];
  /**
   * The amount added to the customer's credit balance, if the invoice is paid. The credit amount, the refund amount and the
   * out-of-band amount together equal the credit note's total.
   */
  creditAmount: number;
  refundAmount: number;
  outOfBandAmount: number;
  memo: string | null;
  reason: "duplicate" | "fraudulent" | "order_change" | "product_unsatisfactory" | null;
  effectiveAt: number | null;
  metadata: Record<string, string>;
}

export function newCreditNote(source: ObjectSource, input: NewCreditNote) {
  const { invoice } = input;
  const id = newId(source, "cn");
  const lines = input.lines.map((line) => newCreditNoteLine(source, line));
  const subtotal = sum(lines.map(({ amount }) => amount));
  const discounts = sumBy(lines.flatMap((line) => line.discount_amounts));
  const taxes = sumTaxes(lines);
  const exclusive = taxTotal(taxes, "exclusive");
  const inclusive = taxTotal(taxes, "inclusive");
  const off = sum(discounts.map(({ amount }) => amount));
  const total = subtotal - off + exclusive;
  const paid = invoice.status === "paid";
  return {
    id,
    object: "credit_note" as const,
    amount: total,
    amount_shipping: 0,
    created: now(source),
    currency: invoice.currency,
    customer: invoice.customer,
    customer_account: null,
    customer_balance_transaction: null as string | null,
    discount_amount: off,
    discount_amounts: discounts,
    effective_at: input.effectiveAt ?? now(source),
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
    number: input.number,
    out_of_band_amount: input.outOfBandAmount || null,
    pdf: `${source.baseUrl}/i/${invoice.id}?print=1`,
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

function newCreditNoteLine(source: ObjectSource, line: CreditLine) {
  return {
    id: newId(source, "cnli"),
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
    tax_rates: line.taxRates ?? [],
    taxes: line.taxes,
    type: line.invoiceLine === null ? ("custom_line_item" as const) : ("invoice_line_item" as const),
    unit_amount: line.unitAmount,
    unit_amount_decimal: line.unitAmount === null ? null : String(line.unitAmount),
  };
}

function sumBy(amounts: readonly { amount: number; discount: string }[]): { amount: number; discount: string }[] {
  const sums = new Map<string, number>();
  for (const { amount, discount } of amounts) sums.set(discount, (sums.get(discount) ?? 0) + amount);
  return [...sums].map(([discount, amount]) => ({ amount, discount }));
}
