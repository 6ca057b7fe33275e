/** Changing what a subscription sells: items, quantities, anchors, and what that credits and charges. */
import type { TaxRate } from "../resources/tax-rates.ts";
import { isLicensed, endOf, setPeriodTimers, startOf } from "./subscription-periods.ts";
import { finalizeInvoice } from "./settlement.ts";
import { ApiError } from "../core/errors.ts";
import { mergeMetadata } from "../core/params.ts";
import { copy, find, now, type World } from "../core/world.ts";
import type { Price } from "../resources/prices.ts";
import { cardFor, payInvoice } from "./collection.ts";
import { refreshEntitlements } from "./entitlements.ts";
import { lineOfInvoiceItem, linesOfItem, type InvoiceLine } from "./invoice-lines.ts";
import { createSubscriptionInvoice, pendingItems, type Invoice } from "./invoices.ts";
import { prorate, prorationItem, type ProratedItem } from "./prorations.ts";
import { update } from "./subscription-changes.ts";
import { newItem, type Subscription, type SubscriptionItem } from "./subscriptions.ts";

export interface ItemChange {
  /** Absent for an item that is added. */
  id?: string | undefined;
  price?: Price | undefined;
  quantity?: number | undefined;
  deleted?: boolean | undefined;
  /** Merged with what an item has; "" takes all of it away. */
  metadata?: "" | Record<string, string> | undefined;
  taxRates?: TaxRate[] | undefined;
}

export interface SubscriptionChange {
  items: readonly ItemChange[];
  prorationBehavior: "create_prorations" | "always_invoice" | "none";
  prorationDate?: number | undefined;
  anchor?: "now" | "unchanged" | undefined;
}

/** What a change leads to; nothing is changed yet. */
export interface ChangePlan {
  items: SubscriptionItem[];
  anchor: number;
  credits: ProratedItem[];
  charges: ProratedItem[];
  /** Items whose new period begins now, and is billed as a renewal is. */
  begun: SubscriptionItem[];
  at: number;
}

export function planChange(world: World, subscription: Subscription, change: SubscriptionChange): ChangePlan {
  const at = change.prorationDate ?? now(world);
  const resets = change.anchor === "now";
  const anchor = resets ? now(world) : subscription.billing_cycle_anchor;
  const before = subscription.items.data;
  const items = before.flatMap((item) => {
    const wanted = change.items.find(({ id }) => id === item.id);
    return wanted?.deleted ? [] : [changedItem(world, subscription, item, wanted ?? {}, { anchor, resets })];
  });
  for (const wanted of change.items) {
    if (wanted.id !== undefined) {
      if (!before.some((item) => item.id === wanted.id)) throw noSuchItem(wanted.id);
      continue;
    }
    if (wanted.price)
      items.push(
        newItem(
          world,
          subscription.id,
          { ...wanted, price: wanted.price, quantity: wanted.quantity, metadata: mergeMetadata({}, wanted.metadata) },
          anchor,
          subscription.status === "trialing" ? subscription.trial_end : null,
        ),
      );
  }
  if (items.length === 0) throw new ApiError("A subscription must have at least one active plan.", { param: "items" });
  return { items, anchor, at, ...sides(subscription, items, resets) };
}

function changedItem(
  world: World,
  subscription: Subscription,
  item: SubscriptionItem,
  { price, quantity, metadata, taxRates }: ItemChange,
  { anchor, resets }: { anchor: number; resets: boolean },
): SubscriptionItem {
  const changed = copy(item);
  if (price) changed.price = copy(price);
  if (quantity !== undefined) changed.quantity = quantity;
  changed.metadata = mergeMetadata(item.metadata, metadata);
  if (taxRates) changed.tax_rates = taxRates;
  const at = now(world);
  const old = item.price.recurring;
  const other = price?.recurring;
  const newInterval = other && (other.interval !== old?.interval || other.interval_count !== old.interval_count);
  if (subscription.status === "trialing" || (!newInterval && !resets)) return changed;
  changed.current_period_start = resets ? at : startOf(changed.price, anchor, at);
  changed.current_period_end = endOf(changed.price, anchor, at);
  return changed;
}

/** Usage is billed when it has been used, and trials cost nothing: neither is prorated. */
function sides(subscription: Subscription, items: readonly SubscriptionItem[], resets: boolean) {
  const credits: ProratedItem[] = [];
  const charges: ProratedItem[] = [];
  const begun: SubscriptionItem[] = [];
  if (subscription.status === "trialing") return { credits, charges, begun };
  for (const item of subscription.items.data.filter(isLicensed)) {
    const next = items.find(({ id }) => id === item.id);
    const same = next?.price.id === item.price.id && next.quantity === item.quantity;
    if (!same || resets) credits.push({ item, period: periodOf(item) });
  }
  for (const item of items.filter(isLicensed)) {
    const old = subscription.items.data.find(({ id }) => id === item.id);
    const same = old?.price.id === item.price.id && old.quantity === item.quantity;
    if (resets) begun.push(item);
    else if (!same) charges.push({ item, period: chargedPeriod(subscription, item) });
  }
  return { credits, charges, begun };
}

function periodOf(item: SubscriptionItem) {
  return { start: item.current_period_start, end: item.current_period_end };
}

/** An item that is added in mid-period is charged for the rest of the anchor's period. */
function chargedPeriod(subscription: Subscription, item: SubscriptionItem) {
  const start = startOf(item.price, subscription.billing_cycle_anchor, item.current_period_end - 1);
  return { start, end: item.current_period_end };
}

/** Makes the change, and invoices it at once or with the next renewal. */
export function applyChange(
  world: World,
  subscription: Subscription,
  plan: ChangePlan,
  behavior: SubscriptionChange["prorationBehavior"],
): Invoice | null {
  const items = { ...copy(subscription.items), data: plan.items, total_count: plan.items.length };
  if (behavior !== "none") prorate(world, subscription, plan);
  update(world, subscription, { items, billing_cycle_anchor: plan.anchor });
  setPeriodTimers(world, subscription);
  refreshEntitlements(world, subscription.customer);
  if (behavior !== "always_invoice" && plan.begun.length === 0) return null;
  if (subscription.status === "trialing") return null;
  const invoice = createSubscriptionInvoice(world, subscription, "subscription_update", (draft) =>
    begunLines(world, draft, subscription, plan),
  );
  finalizeInvoice(world, invoice);
  if (invoice.status === "open") payInvoice(world, invoice, cardFor(world, invoice), { onSession: true });
  return invoice;
}

export function begunLines(
  world: World,
  draft: Invoice,
  subscription: Subscription,
  { begun }: ChangePlan,
): InvoiceLine[] {
  return begun.flatMap((item) => linesOfItem(world, draft.id, subscription, item, periodOf(item)));
}

/** The lines that a change would make, for a preview. */
export function previewChange(
  world: World,
  invoice: Invoice,
  subscription: Subscription,
  plan: ChangePlan,
): InvoiceLine[] {
  const lines = [
    ...plan.credits.map((side) => prorationItem(world, subscription, side, plan.at, -1)),
    ...plan.charges.map((side) => prorationItem(world, subscription, side, plan.at, 1)),
  ].map((item) => lineOfInvoiceItem(world, invoice.id, item));
  return [...lines, ...begunLines(world, invoice, subscription, plan)];
}

function noSuchItem(id: string): ApiError {
  return new ApiError(`No such subscription item: '${id}'`, { code: "resource_missing", param: "items[0][id]" });
}

/**
 * Ends it through `end`, and before that credits what is paid and not used (`prorate`), and invoices what is left to bill
 * (`invoiceNow`); credit that no invoice takes stays for the next one.
 */
export function cancelNow(
  world: World,
  subscription: Subscription,
  { invoiceNow, prorate: prorates }: { invoiceNow: boolean; prorate: boolean },
  end: () => void,
): void {
  const at = now(world);
  if (prorates && subscription.status !== "trialing") {
    const credits = subscription.items.data.filter(isLicensed).map((item) => ({ item, period: periodOf(item) }));
    prorate(world, subscription, { credits, charges: [], at });
  }
  end();
  const used = subscription.items.data.filter((item) => !isLicensed(item));
  const waiting = pendingItems(world, subscription.customer, subscription.id, subscription.currency);
  if (!invoiceNow || waiting.length + used.length === 0) return;
  const invoice = createSubscriptionInvoice(world, subscription, "subscription_update", (draft) =>
    used.flatMap((item) => linesOfItem(world, draft.id, subscription, item, { ...periodOf(item), end: at })),
  );
  finalizeInvoice(world, invoice);
  if (invoice.status === "open") payInvoice(world, invoice, cardFor(world, invoice), { onSession: false });
}

/** The card that a change made now would be charged to. */
export function cardOf(world: World, subscription: Subscription): string | null {
  const customer = find(world, "customer", subscription.customer);
  return subscription.default_payment_method ?? customer?.invoice_settings.default_payment_method ?? null;
}
