/** Checks the taxes of an account's invoices and credit notes. */
import { round, sum } from "./core/money.ts";
import type { Account } from "./core/state.ts";
import type { InvoiceLine, LineTax } from "./objects/invoice-line.ts";
import type { Invoice } from "./objects/invoice.ts";

/** Returns one line per invoice line, invoice or credit note whose taxes do not add up. */
export function auditTaxes({ tables }: Pick<Account, "tables">): string[] {
  return [
    ...[...tables.invoice.values()].flatMap((invoice) => auditInvoice(tables, invoice)),
    ...[...tables.credit_note.values()].flatMap((note) => {
      const due = note.subtotal - note.discount_amount + amountOf(note.total_taxes, "exclusive");
      return note.total === due ? [] : [`${note.id}: its total is ${note.total}, not ${due}`];
    }),
  ];
}

function auditInvoice(tables: Account["tables"], invoice: Invoice): string[] {
  const problems = invoice.lines.data.flatMap((line) => auditLine(tables, line));
  const taxes = amountOf(invoice.lines.data.flatMap((line) => line.taxes));
  if (amountOf(invoice.total_taxes) !== taxes)
    problems.push(`${invoice.id}: its taxes are ${amountOf(invoice.total_taxes)}, and the taxes of its lines ${taxes}`);
  if (invoice.total_excluding_tax !== invoice.total - taxes)
    problems.push(
      `${invoice.id}: its total without tax is ${invoice.total_excluding_tax}, not ${invoice.total - taxes}`,
    );
  const { enabled, status } = invoice.automatic_tax;
  if (enabled && invoice.status !== "draft" && status !== "complete")
    problems.push(`${invoice.id}: it was finalized before its automatic tax was computed`);
  return problems;
}

/** Reports the taxes of a line that differ from the line's amount times the percentage of the tax rate. */
function auditLine({ tax_rate: rates }: Account["tables"], line: InvoiceLine): string[] {
  const percentages = line.taxes.map((tax) => percentageOf(rates.get(tax.tax_rate_details.tax_rate), tax));
  const inclusive = sum(percentages.filter((_one, at) => line.taxes[at]?.tax_behavior === "inclusive"));
  const off = sum(line.discount_amounts.map(({ amount }) => amount));
  const net = (line.amount - off) / (1 + inclusive / 100);
  return line.taxes.flatMap(({ amount }, at) => {
    const due = round((net * (percentages[at] ?? 0)) / 100);
    return amount === due ? [] : [`${line.id}: a tax is ${amount}, not ${due}`];
  });
}

type Rate = { percentage: number; effective_percentage: number | null };

function percentageOf(rate: Rate | undefined, { taxability_reason: reason }: LineTax): number {
  if (!rate || reason === "customer_exempt" || reason === "reverse_charge") return 0;
  return rate.effective_percentage ?? rate.percentage;
}

function amountOf(taxes: readonly LineTax[], behavior?: LineTax["tax_behavior"]): number {
  return sum(
    taxes.filter((tax) => behavior === undefined || tax.tax_behavior === behavior).map(({ amount }) => amount),
  );
}
