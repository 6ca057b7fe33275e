/**
 * Checks the invariants of every account: sums, taxes, charges, balances and status changes. Every test of the emulator ends with an
 * audit of all accounts.
 */
import { auditTaxes } from "./audit-taxes.ts";
import { amountDue } from "./core/currencies.ts";
import type { Account, State } from "./core/state.ts";
import type { Invoice } from "./objects/invoice.ts";

export function audit(state: State): string[] {
  return [...state.accounts.values()].flatMap((account) => [
    ...[...account.tables.invoice.values()].flatMap((invoice) => auditInvoice(account, invoice)),
    ...auditTaxes(account),
    ...auditCharges(account),
    ...auditBalances(account),
    ...auditTransitions(account),
  ]);
}

const sumOfAmounts = (amounts: readonly { amount: number }[]): number =>
  amounts.reduce((all, { amount }) => all + amount, 0);

function auditInvoice(account: Account, invoice: Invoice): string[] {
  const problems: string[] = [];
  const holds = (what: string, one: number, other: number): void => {
    if (one !== other) problems.push(`${invoice.id}: ${what} is ${one}, not ${other}`);
  };
  const lines = invoice.lines.data;
  const discounts = sumOfAmounts(lines.flatMap((line) => line.discount_amounts));
  const exclusive = sumOfAmounts(lines.flatMap((line) => line.taxes).filter((tax) => tax.tax_behavior === "exclusive"));
  holds("total", invoice.total, sumOfAmounts(lines) - discounts + exclusive);
  holds("the sum of its discounts", sumOfAmounts(invoice.total_discount_amounts), discounts);
  holds("the number of its lines", invoice.lines.total_count, lines.length);
  for (const line of lines)
    if (sumOfAmounts(line.discount_amounts) > Math.max(0, line.amount))
      problems.push(`${line.id} is discounted by more than it costs`);
  if (invoice.status === "draft") return problems;
  const due =
    amountDue(invoice.total + invoice.starting_balance, invoice.currency) - invoice.pre_payment_credit_notes_amount;
  holds("amount_due", invoice.amount_due, due);
  const notes = [...account.tables.credit_note.values()].filter(
    (note) => note.invoice === invoice.id && note.status === "issued",
  );
  const noted = invoice.pre_payment_credit_notes_amount + invoice.post_payment_credit_notes_amount;
  holds("the sum of its credit notes", noted, sumOfAmounts(notes));
  if (invoice.status !== "paid") return problems;
  holds("amount_remaining", invoice.amount_remaining, 0);
  const paid = [...account.tables.invoice_payment.values()].filter(
    (row) => row.invoice === invoice.id && row.status === "paid",
  );
  holds(
    "amount_paid",
    invoice.amount_paid,
    paid.reduce((all, row) => all + (row.amount_paid ?? 0), 0),
  );
  return problems;
}

function auditCharges({ tables }: Account): string[] {
  const problems: string[] = [];
  const refunded = new Map<string, number>();
  for (const { charge, amount, status } of tables.refund.values())
    if (status !== "failed") refunded.set(charge, (refunded.get(charge) ?? 0) + amount);
  const succeeded = new Map<string, number>();
  for (const charge of tables.charge.values()) {
    if (charge.amount_refunded !== (refunded.get(charge.id) ?? 0))
      problems.push(`${charge.id}: its refunds do not add up`);
    if (charge.paid && charge.payment_intent)
      succeeded.set(charge.payment_intent, (succeeded.get(charge.payment_intent) ?? 0) + 1);
  }
  for (const intent of tables.payment_intent.values()) {
    const count = succeeded.get(intent.id) ?? 0;
    if (count > 1) problems.push(`${intent.id} was charged ${count} times`);
    if (intent.status === "succeeded" && count !== 1) problems.push(`${intent.id} succeeded without a charge`);
  }
  return problems;
}

function auditBalances({ tables }: Account): string[] {
  const sums = new Map<string, number>();
  for (const { customer, amount, currency } of tables.customer_balance_transaction.values())
    if (tables.customer.get(customer)?.currency === currency) sums.set(customer, (sums.get(customer) ?? 0) + amount);
  return [...tables.customer.values()].flatMap((customer) =>
    "deleted" in customer || customer.balance === (sums.get(customer.id) ?? 0)
      ? []
      : [`${customer.id}: its balance is not the sum of its transactions`],
  );
}

/**
 * The allowed status changes of each object type: status -> possible next statuses. `test/transitions.test.ts` tests
 * every allowed status change.
 * @see https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses
 * @see https://docs.stripe.com/invoicing/overview#invoice-statuses
 * @see https://docs.stripe.com/payments/paymentintents/lifecycle
 */
export const TRANSITIONS: Record<string, Record<string, readonly string[]>> = {
  subscription: {
    incomplete: ["active", "incomplete_expired"],
    incomplete_expired: [],
    trialing: ["active", "past_due", "paused", "canceled"],
    active: ["trialing", "past_due", "paused", "canceled"],
    past_due: ["active", "canceled", "unpaid", "paused"],
    unpaid: ["active", "paused", "canceled"],
    paused: ["active", "past_due", "canceled"],
    canceled: [],
  },
  invoice: {
    draft: ["open"],
    open: ["paid", "void", "uncollectible"],
    uncollectible: ["paid", "void"],
    paid: [],
    void: [],
  },
  payment_intent: {
    requires_payment_method: ["requires_confirmation", "requires_action", "requires_capture", "succeeded", "canceled"],
    requires_confirmation: ["requires_payment_method", "requires_action", "requires_capture", "succeeded", "canceled"],
    requires_action: ["requires_payment_method", "requires_capture", "succeeded", "canceled"],
    requires_capture: ["succeeded", "canceled"],
    succeeded: [],
    canceled: [],
  },
  setup_intent: {
    requires_payment_method: ["requires_confirmation", "requires_action", "succeeded", "canceled"],
    requires_confirmation: ["requires_payment_method", "requires_action", "succeeded", "canceled"],
    requires_action: ["requires_payment_method", "succeeded", "canceled"],
    succeeded: [],
    canceled: [],
  },
  "checkout.session": { open: ["complete", "expired"], complete: [], expired: [] },
  subscription_schedule: {
    not_started: ["active", "canceled", "released"],
    active: ["completed", "canceled", "released"],
    completed: [],
    canceled: [],
    released: [],
  },
  refund: { pending: ["succeeded"], succeeded: ["failed"], failed: [] },
  dispute: {
    needs_response: ["under_review", "lost"],
    under_review: ["won", "lost"],
    warning_needs_response: ["warning_under_review", "warning_closed"],
    warning_under_review: ["warning_closed"],
    won: [],
    lost: [],
    warning_closed: [],
  },
};

/** Reports status changes in an account's events that `TRANSITIONS` does not allow. */
function auditTransitions({ tables }: Account): string[] {
  const last = new Map<string, string>();
  const problems: string[] = [];
  for (const { data, id: event } of tables.event.values()) {
    const { id, object, status } = data.object as { id?: string; object: string; status?: string };
    const legal = TRANSITIONS[object];
    if (!legal || id === undefined || status === undefined) continue;
    const before = last.get(id);
    last.set(id, status);
    if (before !== undefined && before !== status && !legal[before]?.includes(status))
      problems.push(`${event}: ${id} went from ${before} to ${status}`);
  }
  return problems;
}
