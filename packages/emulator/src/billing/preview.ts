/** Previews invoices: the next renewal's invoice, or the invoice of a subscription change. */
import { now } from "../core/clock.ts";
import { copy } from "../core/copy.ts";
import { emit } from "../core/events.ts";
import { endOf } from "../core/periods.ts";
import { find } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { DiscountInput } from "../objects/discount.ts";
import type { InvoiceLine } from "../objects/invoice-line.ts";
import type { Invoice } from "../objects/invoice.ts";
import type { Subscription } from "../objects/subscription.ts";
import { lineOfInvoiceItem, linesOfItem } from "./invoice-lines.ts";
import { discountsFor, draftInvoice, listPendingItems, recomputeTotals, setLines } from "./invoices.ts";
import { previewDiscounts, redemptionForInvoice } from "./redemptions.ts";
import { nextPeriodEnd } from "./subscription-periods.ts";

export interface PreviewInput {
  customer: string;
  subscription: Subscription | null;
  /** Returns the invoice lines that a subscription change adds. */
  changes?: (invoice: Invoice) => InvoiceLine[];
  /** If true, the preview contains only the subscription change, not the renewal or pending invoice items. Default false. */
  changeOnly?: boolean;
  /** The coupons of the preview, which redeems none of them. Undefined if the discounts of the subscription apply. */
  discounts?: readonly DiscountInput[] | null | undefined;
}

/** Returns a preview invoice without storing it. */
export function previewInvoice(context: Context, input: PreviewInput): Invoice {
  const { subscription } = input;
  const at = subscription && !input.changeOnly ? nextPeriodEnd(subscription) : now(context);
  const invoice = draftInvoice(context, {
    customer: input.customer,
    subscription,
    reason: input.changeOnly ? "subscription_update" : "upcoming",
    period: { start: subscription?.items.data[0]?.current_period_start ?? at, end: at },
  });
  invoice.id = `upcoming_${invoice.id}`;
  invoice.lines.url = `/v1/invoices/${invoice.id}/lines`;
  const waiting = listPendingItems(context, input.customer, subscription?.id ?? null, invoice.currency).map((item) =>
    lineOfInvoiceItem(context, invoice.id, item),
  );
  const renewal = subscription && !input.changeOnly ? renewalLines(context, invoice, subscription, at) : [];
  setLines(context, invoice, [...(input.changeOnly ? [] : waiting), ...(input.changes?.(invoice) ?? []), ...renewal]);
  if (input.discounts === undefined) invoice.discounts = discountsFor(context, subscription, input.customer, at);
  const previewed = previewDiscounts(context, input.discounts ?? [], redemptionForInvoice(invoice));
  invoice.discounts.push(...previewed.map(({ id }) => id));
  recomputeTotals(context, invoice, previewed);
  const customer = find(context, "customer", input.customer);
  return Object.assign(invoice, {
    created: at,
    next_payment_attempt: at,
    ending_balance: Math.min(0, invoice.total + (customer?.balance ?? 0)),
  });
}

/** Returns the invoice lines of the next renewal. The lines of metered items contain the usage until now. */
function renewalLines(context: Context, invoice: Invoice, subscription: Subscription, at: number): InvoiceLine[] {
  const renewed = { ...copy(subscription), status: "active" as const };
  return renewed.items.data
    .filter((item) => item.current_period_end <= at)
    .flatMap((item) => {
      const metered = item.price.recurring?.usage_type === "metered";
      const period = metered
        ? { start: item.current_period_start, end: item.current_period_end }
        : { start: at, end: endOf(item.price, subscription.billing_cycle_anchor, at) };
      return linesOfItem(context, invoice.id, { subscription: { ...renewed, trial_end: null }, item, period });
    });
}

/**
 * Emits `invoice.upcoming` with a preview of the renewal invoice. The preview of an invoice has no ID, because it is
 * not stored.
 */
export function emitUpcomingInvoice(context: Context, subscription: Subscription): void {
  if (subscription.status !== "active" && subscription.status !== "trialing" && subscription.status !== "past_due")
    return;
  if (subscription.cancel_at_period_end || subscription.cancel_at !== null) return;
  const { id: _none, ...upcoming } = copy(previewInvoice(context, { customer: subscription.customer, subscription }));
  emit(context, "invoice.upcoming", upcoming);
}
