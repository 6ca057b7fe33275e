/** Runs the actions of the customer portal that the portal's configuration allows. */
import { detach } from "../billing/payment-methods.ts";
import { confirmSetup, createSetupIntent } from "../billing/setup.ts";
import { proratePlannedEnd } from "../billing/planned-endings.ts";
import { cancelAt, endSubscription, undoCancellation } from "../billing/subscription-endings.ts";
import { DEFAULT_BILLING, pauseOnRequest, pauseRefusal } from "../billing/subscription-pauses.ts";
import { releaseSchedule } from "../billing/schedules.ts";
import { nextPeriodEnd } from "../billing/subscription-periods.ts";
import { resumeInPortal } from "../billing/subscription-resumptions.ts";
import { cancelNow } from "../billing/subscription-update.ts";
import { now } from "../core/clock.ts";
import { ApiError } from "../core/errors.ts";
import { emitChange } from "../core/events.ts";
import { periodEnd } from "../core/periods.ts";
import { find, retrieve } from "../core/rows.ts";
import { setTimer } from "../core/timers.ts";
import type { PaymentMethod } from "../objects/payment-method.ts";
import type { SetupIntent } from "../objects/setup-intent.ts";
import type { Subscription } from "../objects/subscription.ts";
import { fieldOf, readCard } from "./card-form.ts";
import { makeChange, readChange } from "./portal-change.ts";
import { addressOf, isEnding, methodsOf, namedSubscription, pageAfter, type Visit } from "./portal-visit.ts";

type Form = Record<string, unknown>;
/** The URL of the portal page to show next, and a message for that page. */
export interface Next {
  to: string;
  notice?: string;
}

/** Runs an action of the customer portal. If the portal's configuration does not allow the action, nothing changes. */
export function runAction(visit: Visit, action: string, form: Form): Next {
  const home = { to: addressOf(visit, "home") };
  try {
    return ACTIONS[action]?.(visit, form) ?? home;
  } catch (error) {
    if (error instanceof ApiError) return { ...home, notice: error.message };
    throw error;
  }
}

const ACTIONS: Record<string, (visit: Visit, form: Form) => Next | null> = {
  cancel(visit, form) {
    const subscription = namedSubscription(visit, form);
    const { enabled, mode, cancellation_reason: reasons, proration_behavior } = visit.features.subscription_cancel;
    if (!enabled || !subscription || isEnding(subscription)) return null;
    const reason = fieldOf(form, "reason");
    const feedback = reasons.enabled && reasons.options?.includes(reason) ? reason : null;
    const comment = reasons.enabled ? fieldOf(form, "comment").slice(0, MAX_COMMENT) || null : null;
    if (mode === "at_period_end") {
      const schedule = find(visit.context, "subscription_schedule", subscription.schedule);
      if (schedule) releaseSchedule(visit.context, schedule, "released");
      cancelAt(visit.context, subscription, nextPeriodEnd(subscription), { feedback, comment });
    } else {
      Object.assign(subscription.cancellation_details, { feedback, comment });
      const billing = { invoiceNow: false, prorate: proration_behavior === "create_prorations" };
      cancelNow(visit.context, subscription, billing, () =>
        endSubscription(visit.context, subscription, "cancellation_requested"),
      );
    }
    return { to: pageAfter(visit, "cancel") };
  },

  resume(visit, form) {
    const subscription = namedSubscription(visit, form);
    if (!subscription) return null;
    const { subscription_cancel: cancel, subscription_pause: pausing } = visit.features;
    if (cancel.enabled && isEnding(subscription)) {
      undoCancellation(visit.context, subscription);
      proratePlannedEnd(visit.context, subscription, { proration: "create_prorations" });
    } else if (pausing.enabled && subscription.status === "paused") resumeInPortal(visit.context, subscription);
    return null;
  },

  pause(visit, form) {
    const subscription = namedSubscription(visit, form);
    const { enabled, duration } = visit.features.subscription_pause;
    if (!enabled || !subscription || !isPausable(subscription)) return null;
    const option = duration.interval_options[Number(fieldOf(form, "duration") || "0")];
    if (duration.type === "interval_options" && !option) return null;
    const at = now(visit.context);
    pauseOnRequest(visit.context, subscription, DEFAULT_BILLING);
    if (option && duration.type === "interval_options")
      setTimer(visit.context, "pause_ends", subscription.id, periodEnd(at, option.interval, option.interval_count, at));
    return { to: pageAfter(visit, "pause") };
  },

  change(visit, form) {
    const wanted = readChange(visit, form);
    if (wanted === null) return null;
    if (typeof wanted === "string") return { to: addressOf(visit, "home"), notice: wanted };
    const changed = makeChange(visit, wanted);
    if (changed.kind === "changed") return { to: pageAfter(visit, "change") };
    if (changed.kind === "challenge") return { to: `/challenge/${changed.id}` };
    return { to: addressOf(visit, "home"), notice: changed.notice };
  },

  card(visit, form) {
    const { context, session } = visit;
    if (!visit.features.payment_method_update.enabled) return null;
    const card = readCard(context, form);
    if (card.kind === "invalid") return { to: addressOf(visit, "card"), notice: card.notice };
    const intent = createSetupIntent(context, { customer: session.customer });
    confirmSetup(context, intent, card.id, {
      returnUrl: `${context.baseUrl}/p/session/${session.id}/saved/${intent.id}`,
    });
    return intent.next_action ? { to: `/challenge/${intent.id}` } : cardSaved(visit, intent);
  },

  method(visit, form) {
    const method = methodsOf(visit).find(({ id }) => id === fieldOf(form, "method"));
    if (!visit.features.payment_method_update.enabled || !method) return null;
    if (fieldOf(form, "what") === "remove") return removeCard(visit, method, fieldOf(form, "confirmed") === "yes");
    makeDefault(visit, method.id);
    return { to: pageAfter(visit, "card") };
  },
};

/** Removes a card. If the card is the customer's only card, the customer must confirm first. */
function removeCard(visit: Visit, method: PaymentMethod, confirmed: boolean): Next | null {
  if (!confirmed && methodsOf(visit).length === 1) return { to: addressOf(visit, "remove", { method: method.id }) };
  detach(visit.context, method);
  return null;
}

export const MAX_COMMENT = 500;

export function isPausable(subscription: Subscription): boolean {
  return pauseRefusal(subscription) === null;
}

/**
 * Makes the card of a succeeded setup intent the customer's default. Returns the portal page to show next, with a
 * message if the card was not saved.
 */
export function cardSaved(visit: Visit, intent: SetupIntent): Next {
  const { context, session } = visit;
  const saved = intent.status === "succeeded" && intent.customer === session.customer;
  const method = saved ? find(context, "payment_method", intent.payment_method) : undefined;
  if (method?.customer === session.customer) {
    makeDefault(visit, method.id);
    return { to: pageAfter(visit, "card") };
  }
  return { to: addressOf(visit, "card"), notice: intent.last_setup_error?.message ?? "The card was not saved." };
}

/** Makes a card the customer's default payment method. */
function makeDefault(visit: Visit, method: string): void {
  const { context, session } = visit;
  emitChange(context, "customer.updated", retrieve(context, "customer", session.customer), (row) => {
    row.invoice_settings.default_payment_method = method;
  });
}
