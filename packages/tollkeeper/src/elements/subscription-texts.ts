/** Writes the sentences about a subscription: its state, what is due, and until when it gives access. */
import type { Subscription } from "../wire.ts";
import { formatDate, formatMoney, type Money } from "./format.ts";
import type { Messages } from "./messages.ts";

export interface TextContext {
  messages: Messages;
  locale: string;
}

export interface SubscriptionTexts {
  heading: string;
  /** Problems that need the user's attention. */
  alert: string[];
  status: string[];
  /** The price with its interval; null if the price is unknown. */
  price: string | null;
  /** The card that Stripe charges; null if it is unknown. */
  card: string | null;
}

export function textsOf(subscription: Subscription, context: TextContext): SubscriptionTexts {
  const { messages } = context;
  const { access, planName, price, paymentMethod } = subscription;
  return {
    heading: access ? messages.memberHeading(planName) : messages.lockedHeading(planName),
    ...sentencesOf(subscription, context),
    price: priceText(price, context),
    card: cardText(paymentMethod),
  };
}

/** Names a card: "visa •••• 4242". */
function cardText(method: Subscription["paymentMethod"]): string | null {
  return method?.last4 ? `${method.brand ?? method.type} •••• ${method.last4}` : null;
}

/** Formats what the user pays: "$45 per month for 5 seats at $9 each", or "$25 every 3 months". */
export function priceText(price: Subscription["price"], context: TextContext): string | null {
  const parts = priceParts(price, context);
  return parts && `${parts.total} ${parts.rhythm}`;
}

/** Formats what the user pays, with the total apart from its interval and units. Returns null if the price is unknown. */
export function priceParts(
  price: Subscription["price"],
  { messages, locale }: TextContext,
): { total: string; rhythm: string } | null {
  if (price?.total == null || price.interval === null) return null;
  const { total, amount, quantity, intervalCount, interval } = price;
  const money = (value: number) => formatMoney({ ...price, amount: value }, locale);
  const rhythm = intervalText(interval, intervalCount, messages);
  const hasUnits = quantity > 1 && amount !== null && amount * quantity === total;
  return { total: money(total), rhythm: hasUnits ? `${rhythm} ${messages.units(quantity, money(amount))}` : rhythm };
}

/** Formats the interval of a price: "per month", or "every 3 months". */
export function intervalText(
  interval: NonNullable<NonNullable<Subscription["price"]>["interval"]>,
  count: number,
  messages: Messages,
): string {
  if (count === 1 && interval === "month") return messages.perMonth;
  if (count === 1 && interval === "year") return messages.perYear;
  return messages.every(count, interval);
}

/** Returns the amount of an open payment; null if nothing is due. */
export function dueText(due: Money | null, { locale }: TextContext): string | null {
  return due && formatMoney(due, locale);
}

function sentencesOf(subscription: Subscription, context: TextContext): Pick<SubscriptionTexts, "alert" | "status"> {
  const { messages, locale } = context;
  const { status, access, endedAt, due } = subscription;
  const date = (instant: number) => formatDate(instant, locale);
  const amount = dueText(due, context);
  switch (status) {
    case "incomplete":
      return { alert: [messages.firstPaymentOpen(amount), ...reasonOf(due)], status: [] };
    case "incomplete_expired":
      return { alert: [], status: [messages.firstPaymentMissed] };
    case "past_due":
    case "unpaid":
      return {
        alert: [...failureOf(due, context), ...accessOf(subscription, context)],
        status: endOf(subscription, context),
      };
    case "paused":
      return { alert: [messages.paused, ...accessOf(subscription, context)], status: endOf(subscription, context) };
    case "canceled":
      if (access?.endsAt != null) return { alert: [], status: [messages.accessUntil(date(access.endsAt))] };
      return { alert: [], status: endedAt === null ? [] : [messages.endedOn(date(endedAt))] };
    case "trialing":
    case "active": {
      const alert = [...(mustAct(due) ? failureOf(due, context) : []), ...lockOf(subscription, messages)];
      return { alert, status: [...courseOf(subscription, context), ...invoiceOf(due, context)] };
    }
  }
}

type Due = Subscription["due"];

function mustAct(due: Due): boolean {
  return due !== null && (due.outcome === "failed" || due.outcome === "action_required");
}

/** The texts for reasons of no access. The other sentences about the subscription give the reasons that have no text here. */
const NO_ACCESS_TEXTS: Partial<Record<NonNullable<Subscription["noAccess"]>, "disputed" | "disputeLost" | "refunded">> =
  { refunded: "refunded", dispute_open: "disputed", dispute_lost: "disputeLost" };

/** Describes why a subscription gives no access. Returns no sentence if it gives access. */
function lockOf({ noAccess }: Subscription, messages: Messages): string[] {
  if (noAccess === null) return [];
  const reason = NO_ACCESS_TEXTS[noAccess];
  return reason === undefined ? [messages.noAccess] : [messages[reason], messages.noAccess];
}

/**
 * Describes the next event in the course of an active subscription: a pause of its payments, its end, the end of its trial, or
 * its renewal.
 */
function courseOf(subscription: Subscription, context: TextContext): string[] {
  const { messages, locale } = context;
  const { status, access, cancelAt, pausedCollection, trialEnd, currentPeriodEnd } = subscription;
  const end = endOf(subscription, context);
  if (pausedCollection !== null) {
    const until = pausedCollection.resumesAt === null ? null : formatDate(pausedCollection.resumesAt, locale);
    const keeps = access && !keepsUntilEnd(subscription) ? accessOf(subscription, context) : [];
    return [messages.collectionPaused(until), ...keeps, ...end];
  }
  if (cancelAt !== null) return end;
  if (status === "trialing" && trialEnd !== null) return [messages.trialUntil(formatDate(trialEnd, locale))];
  return currentPeriodEnd === null ? [] : [messages.renewsOn(formatDate(currentPeriodEnd, locale))];
}

/** Describes an invoice that the user has to pay until a date. */
function invoiceOf(due: Due, context: TextContext): string[] {
  if (due?.dueAt == null || mustAct(due)) return [];
  return [context.messages.invoiceDue(formatMoney(due, context.locale), formatDate(due.dueAt, context.locale))];
}

/** Describes a payment that failed or that the user must confirm, and Stripe's next attempt. */
function failureOf(due: Due, context: TextContext): string[] {
  const { messages, locale } = context;
  const amount = dueText(due, context);
  if (due?.outcome === "action_required" && amount !== null) return [messages.confirmPayment(amount)];
  if (due?.outcome === "none" && amount !== null) return [messages.paymentOverdue(amount)];
  const next =
    due?.nextAttemptAt == null ? messages.noNextAttempt : messages.nextAttempt(formatDate(due.nextAttemptAt, locale));
  return [messages.paymentFailed(amount), ...reasonOf(due), next];
}

/** Returns Stripe's reason for a declined card. Stripe writes the reason in the language of the card's owner. */
function reasonOf(due: Due): string[] {
  return due?.reason == null ? [] : [due.reason];
}

function accessOf(subscription: Subscription, { messages, locale }: TextContext): string[] {
  const { access } = subscription;
  if (!access) return lockOf(subscription, messages);
  return access.endsAt === null ? [] : [messages.accessUntil(formatDate(access.endsAt, locale))];
}

/** Describes the scheduled end of a subscription, and whether the user keeps everything until then. */
function endOf(subscription: Subscription, { messages, locale }: TextContext): string[] {
  if (subscription.cancelAt === null) return [];
  const end = formatDate(subscription.cancelAt, locale);
  return [keepsUntilEnd(subscription) ? messages.endsOn(end) : messages.endsWithoutAccess(end)];
}

/** Returns true if the user keeps access until the scheduled end. A failed or paused payment can end access earlier. */
function keepsUntilEnd({ cancelAt, access, status }: Subscription): boolean {
  if (access === null || cancelAt === null || status === "past_due") return false;
  return access.endsAt === null || access.endsAt >= cancelAt;
}
