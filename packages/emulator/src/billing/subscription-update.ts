/** Plans and applies changes of a subscription's items, quantities and billing cycle anchor. */
import { now } from "../core/clock.ts";
import { copy } from "../core/copy.ts";
import { ApiError } from "../core/errors.ts";
import { mergeMetadata } from "../core/params.ts";
import { endOf, startOf } from "../core/periods.ts";
import { find } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { clearTimer } from "../core/timers.ts";
import type { DiscountInput } from "../objects/discount.ts";
import type { InvoiceLine } from "../objects/invoice-line.ts";
import type { Invoice } from "../objects/invoice.ts";
import type { Price } from "../objects/price.ts";
import { newSubscriptionItem, type Subscription, type SubscriptionItem } from "../objects/subscription.ts";
import type { TaxRate } from "../objects/tax-rate.ts";
import { cardForInvoice, collectChange, payInvoice, PAYS_AT_ONCE, type PaymentChoice } from "./collection.ts";
import { defaultCardOf } from "./customer-sources.ts";
import { refreshEntitlements } from "./entitlements.ts";
import { linesOfItem } from "./invoice-lines.ts";
import { createSubscriptionInvoice } from "./invoices.ts";
import { createClosingInvoice, usedItems } from "./closing-invoices.ts";
import { cutAtPlannedEnd, plannedEnd } from "./planned-end.ts";
import { purchaseOf } from "./pricing.ts";
import { periodOfPrice, prorate, type ChargedItem } from "./prorations.ts";
import { finalizeInvoice } from "./settlement.ts";
import { replaceDiscounts } from "./subscriber-discounts.ts";
import { updateSubscription } from "./subscription-changes.ts";
import { isLicensed, setPeriodTimers } from "./subscription-periods.ts";

export interface ItemChange {
  /**
   * The ID of the subscription item to change. If the ID of the item is undefined, the change adds a new item to the
   * subscription.
   */
  id?: string | undefined;
  price?: Price | undefined;
  quantity?: number | undefined;
  deleted?: boolean | undefined;
  /** Metadata to merge with the item's metadata. An empty string instead of metadata removes all metadata of the item. */
  metadata?: "" | Record<string, string> | undefined;
  taxRates?: TaxRate[] | undefined;
  /** The coupons that replace the item's discounts. Null removes the discounts. Undefined leaves them unchanged. */
  discounts?: readonly DiscountInput[] | null | undefined;
}

export interface SubscriptionChange {
  items: readonly ItemChange[];
  prorationBehavior: "create_prorations" | "always_invoice" | "none";
  prorationDate?: number | undefined;
  anchor?: "now" | "unchanged" | undefined;
  /** True if the change ends the trial of the subscription. The new items start their first paid period now. */
  endsTrial?: boolean | undefined;
  /** The way in which an invoice of the change is paid. Default: the customer's card is charged at once. */
  payment?: PaymentChoice | undefined;
}

/** The planned result of a subscription change that is not applied yet. */
export interface ChangePlan {
  items: SubscriptionItem[];
  anchor: number;
  credits: SubscriptionItem[];
  charges: ChargedItem[];
  /** The subscription items that start a new billing period now and are billed for the whole period. */
  restarted: SubscriptionItem[];
  /** True if the change ends the subscription's trial. */
  endsTrial: boolean;
  at: number;
  /** The time at which the subscription ends, if its end is planned. */
  until: number | undefined;
  payment: PaymentChoice;
  /** Maps the ID of a subscription item to the coupons that replace the item's discounts when the change is applied. */
  discounts: ReadonlyMap<string, readonly DiscountInput[]>;
}

export function planChange(context: Context, subscription: Subscription, change: SubscriptionChange): ChangePlan {
  const at = change.prorationDate ?? now(context);
  const cycle = cycleAfter(context, subscription, change);
  const { anchor, endsTrial, inTrial } = cycle;
  const before = subscription.items.data;
  const discounts = new Map<string, readonly DiscountInput[]>();
  for (const { id, discounts: inputs } of change.items)
    if (id !== undefined && inputs !== undefined && inputs?.length !== 0) discounts.set(id, inputs ?? []);
  const items = before.flatMap((item) => {
    const wanted = change.items.find(({ id }) => id === item.id);
    return wanted?.deleted ? [] : [changedItem(context, item, wanted ?? {}, cycle)];
  });
  for (const wanted of change.items) {
    if (wanted.id !== undefined) {
      if (!before.some((item) => item.id === wanted.id)) throw noSuchItem(wanted.id);
      continue;
    }
    if (!wanted.price) continue;
    const added = newSubscriptionItem(context, {
      ...wanted,
      subscription: subscription.id,
      price: wanted.price,
      quantity: wanted.quantity,
      metadata: mergeMetadata({}, wanted.metadata),
      anchor,
      trialEnd: inTrial ? subscription.trial_end : null,
    });
    items.push(added);
    if (wanted.discounts?.length) discounts.set(added.id, wanted.discounts);
  }
  if (items.length === 0) throw new ApiError("A subscription must have at least one active plan.", { param: "items" });
  const payment = change.payment ?? PAYS_AT_ONCE;
  const until = plannedEnd(subscription) ?? undefined;
  const prorated = proratedItems(subscription, items, cycle);
  return { items, anchor, at, until, discounts, payment, endsTrial, ...prorated };
}

/** The billing cycle after a change. */
interface Cycle {
  anchor: number;
  /** True if the change starts a new billing cycle. */
  resets: boolean;
  endsTrial: boolean;
  /** True if the subscription is in a trial after the change. */
  inTrial: boolean;
}

function cycleAfter(context: Context, subscription: Subscription, change: SubscriptionChange): Cycle {
  const trialing = subscription.status === "trialing";
  const endsTrial = trialing && change.endsTrial === true;
  const resets = endsTrial || change.anchor === "now";
  const anchor = resets ? now(context) : subscription.billing_cycle_anchor;
  return { anchor, resets, endsTrial, inTrial: trialing && !endsTrial };
}

function changedItem(
  context: Context,
  item: SubscriptionItem,
  { price, quantity, metadata, taxRates }: ItemChange,
  { anchor, resets, inTrial }: Cycle,
): SubscriptionItem {
  const changed = copy(item);
  if (price) changed.price = copy(price);
  // At Stripe, a new price sets the quantity to 1, unless the change names a quantity.
  if (price && !isLicensed({ price })) delete changed.quantity;
  else if (quantity !== undefined) changed.quantity = quantity;
  else if (price && price.id !== item.price.id) changed.quantity = 1;
  changed.metadata = mergeMetadata(item.metadata, metadata);
  if (taxRates) changed.tax_rates = taxRates;
  const at = now(context);
  const old = item.price.recurring;
  const other = price?.recurring;
  const newInterval = other && (other.interval !== old?.interval || other.interval_count !== old.interval_count);
  if (inTrial || (!newInterval && !resets)) return changed;
  changed.current_period_start = resets ? at : startOf(changed.price, anchor, at);
  changed.current_period_end = endOf(changed.price, anchor, at);
  return changed;
}

/** Returns the credits and charges of a subscription change. Usage and trials are not prorated. */
function proratedItems(subscription: Subscription, items: readonly SubscriptionItem[], { resets, endsTrial }: Cycle) {
  const credits: SubscriptionItem[] = [];
  const charges: ChargedItem[] = [];
  const restarted: SubscriptionItem[] = [];
  if (endsTrial) return { credits, charges, restarted: items.filter(isLicensed) };
  if (subscription.status === "trialing" || subscription.status === "paused") return { credits, charges, restarted };
  for (const item of subscription.items.data.filter(isLicensed)) {
    const next = items.find(({ id }) => id === item.id);
    const same = next?.price.id === item.price.id && next.quantity === item.quantity;
    if (!same || resets) credits.push(item);
  }
  for (const item of items.filter(isLicensed)) {
    const old = subscription.items.data.find(({ id }) => id === item.id);
    const same = old?.price.id === item.price.id && old.quantity === item.quantity;
    if (resets) restarted.push(item);
    else if (!same) charges.push({ item, period: periodOfPrice(subscription, item) });
  }
  return { credits, charges, restarted };
}

function periodOf(item: SubscriptionItem) {
  return { start: item.current_period_start, end: item.current_period_end };
}

/** Applies a planned subscription change. The subscription change is invoiced at once or with the next renewal. */
export function applyChange(
  context: Context,
  subscription: Subscription,
  plan: ChangePlan,
  behavior: SubscriptionChange["prorationBehavior"],
): Invoice | null {
  redeemItemDiscounts(context, subscription, plan);
  const items = { ...copy(subscription.items), data: plan.items, total_count: plan.items.length };
  if (behavior !== "none") prorate(context, subscription, plan);
  updateSubscription(context, subscription, {
    items,
    billing_cycle_anchor: plan.anchor,
    ...(plan.endsTrial && { status: "active", trial_end: plan.anchor }),
  });
  if (plan.endsTrial) clearTimer(context, "trial_will_end", subscription.id);
  setPeriodTimers(context, subscription);
  refreshEntitlements(context, subscription.customer);
  if (behavior !== "always_invoice" && plan.restarted.length === 0) return null;
  if (subscription.status === "trialing" || subscription.status === "paused") return null;
  const invoice = createSubscriptionInvoice(context, subscription, "subscription_update", (draft) =>
    linesOfRestartedItems(context, draft, subscription, plan),
  );
  finalizeInvoice(context, invoice);
  collectChange(context, invoice, plan.payment);
  return invoice;
}

/** Redeems the coupons of a planned change's items. */
function redeemItemDiscounts(context: Context, subscription: Subscription, { items, discounts }: ChangePlan): void {
  for (const [index, item] of items.entries()) {
    const inputs = discounts.get(item.id);
    if (!inputs) continue;
    const owner = { customer: subscription.customer, subscription: subscription.id, subscription_item: item.id };
    const purchase = purchaseOf(items, subscription.currency);
    const param = `items[${index}][discounts]`;
    item.discounts = replaceDiscounts(context, item.discounts, { inputs, redemption: { owner, purchase }, param });
  }
}

export function linesOfRestartedItems(
  context: Context,
  draft: Invoice,
  subscription: Subscription,
  { restarted, endsTrial }: ChangePlan,
): InvoiceLine[] {
  // A pending update bills the first paid period while the trial still runs.
  const billed = endsTrial ? { ...subscription, status: "active" as const, trial_end: null } : subscription;
  const lines = restarted.flatMap((item) =>
    linesOfItem(context, draft.id, { subscription: billed, item, period: periodOf(item) }),
  );
  return cutAtPlannedEnd(subscription, lines);
}

function noSuchItem(id: string): ApiError {
  return new ApiError(`No such subscription item: '${id}'`, { code: "resource_missing", param: "items[0][id]" });
}

/**
 * Cancels a subscription at once by calling the function `end`. If `prorate` is true, the customer gets a credit for the unused
 * time. If `invoiceNow` is true, pending invoice items and usage are billed; otherwise they stay pending.
 */
export function cancelNow(
  context: Context,
  subscription: Subscription,
  { invoiceNow, prorate: prorates }: { invoiceNow: boolean; prorate: boolean },
  end: () => void,
): void {
  const at = now(context);
  if (prorates && subscription.status !== "trialing" && subscription.status !== "paused") {
    const credits = subscription.items.data.filter(isLicensed);
    prorate(context, subscription, { credits, charges: [], at });
  }
  const used = usedItems(subscription);
  end();
  const invoice = invoiceNow ? createClosingInvoice(context, subscription, used, "subscription_update") : null;
  if (!invoice) return;
  finalizeInvoice(context, invoice);
  if (invoice.status === "open") payInvoice(context, invoice, cardForInvoice(context, invoice), { onSession: false });
}

/** Returns the ID of the card that pays for a subscription; null if there is no card. */
export function cardForSubscription(context: Context, subscription: Subscription): string | null {
  const customer = find(context, "customer", subscription.customer);
  return subscription.default_payment_method ?? defaultCardOf(customer);
}
