/** What an invoice would be: of the next renewal, or of a change that nobody has made yet. */
import { emit } from "../core/events.ts";
import { copy, find, now, type World } from "../core/world.ts";
import { discountsFor, newInvoice, pendingItems, setLines, type Invoice } from "./invoices.ts";
import { lineOfInvoiceItem, linesOfItem, type InvoiceLine } from "./invoice-lines.ts";
import { endOf, nextPeriodEnd } from "./subscription-periods.ts";
import type { Subscription } from "./subscriptions.ts";

export interface PreviewInput {
  customer: string;
  subscription: Subscription | null;
  /** Lines of what a change would credit and charge, beside what waits already. */
  changes?: (invoice: Invoice) => InvoiceLine[];
  /** Only the change, as an invoice of its own. */
  changeOnly?: boolean;
  discounts?: string[];
}

/** Nothing of it is kept. */
export function previewInvoice(world: World, input: PreviewInput): Invoice {
  const { subscription } = input;
  const at = subscription && !input.changeOnly ? nextPeriodEnd(subscription) : now(world);
  const invoice = newInvoice(world, {
    customer: input.customer,
    subscription,
    reason: input.changeOnly ? "subscription_update" : "upcoming",
    period: { start: subscription?.items.data[0]?.current_period_start ?? at, end: at },
  });
  invoice.id = `upcoming_${invoice.id}`;
  invoice.lines.url = `/v1/invoices/${invoice.id}/lines`;
  invoice.discounts = input.discounts ?? discountsFor(world, subscription, input.customer);
  const waiting = pendingItems(world, input.customer, subscription?.id ?? null, invoice.currency).map((item) =>
    lineOfInvoiceItem(world, invoice.id, item),
  );
  const renewal = subscription && !input.changeOnly ? renewalLines(world, invoice, subscription, at) : [];
  setLines(world, invoice, [...(input.changeOnly ? [] : waiting), ...(input.changes?.(invoice) ?? []), ...renewal]);
  const customer = find(world, "customer", input.customer);
  return Object.assign(invoice, {
    created: at,
    next_payment_attempt: at,
    ending_balance: Math.min(0, invoice.total + (customer?.balance ?? 0)),
  });
}

/** The items over the period that comes; usage is what it is so far. */
function renewalLines(world: World, invoice: Invoice, subscription: Subscription, at: number): InvoiceLine[] {
  const renewed = { ...copy(subscription), status: "active" as const };
  return renewed.items.data
    .filter((item) => item.current_period_end <= at)
    .flatMap((item) => {
      const metered = item.price.recurring?.usage_type === "metered";
      const period = metered
        ? { start: item.current_period_start, end: item.current_period_end }
        : { start: at, end: endOf(item.price, subscription.billing_cycle_anchor, at) };
      return linesOfItem(world, invoice.id, { ...renewed, trial_end: null }, item, period);
    });
}

/** Days before a renewal: what it will be. It has no id, and nothing of it is kept. */
export function tellUpcoming(world: World, subscription: Subscription): void {
  if (subscription.status !== "active" && subscription.status !== "trialing" && subscription.status !== "past_due")
    return;
  if (subscription.cancel_at_period_end || subscription.cancel_at !== null) return;
  const { id: _none, ...upcoming } = copy(previewInvoice(world, { customer: subscription.customer, subscription }));
  emit(world, "invoice.upcoming", upcoming);
}
