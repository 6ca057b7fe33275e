/** What people do in the portal, as far as its configuration allows. */
import { confirmSetup, createSetupIntent, type SetupIntent } from "../billing/setup.ts";
import { nextPeriodEnd } from "../billing/subscription-periods.ts";
import { cancelAt, end, undoCancellation } from "../billing/subscription-endings.ts";
import { pause, resume } from "../billing/subscription-pauses.ts";
import type { Subscription } from "../billing/subscriptions.ts";
import { periodEnd } from "../billing/periods.ts";
import { ApiError } from "../core/errors.ts";
import { change } from "../core/events.ts";
import { detach } from "../billing/payment-methods.ts";
import { setTimer } from "../core/timers.ts";
import { find, need, now } from "../core/world.ts";
import { fieldOf, readCard } from "./card-form.ts";
import { makeChange, wantedChange } from "./portal-change.ts";
import { addressOf, after, isEnding, methodsOf, namedSubscription, type Visit } from "./portal-visit.ts";

type Form = Record<string, unknown>;
/** Where the person is next, and what to tell there. */
export interface Next {
  to: string;
  notice?: string;
}

/** Does it; what is not allowed changes nothing. */
export function act(visit: Visit, action: string, form: Form): Next {
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
    const { enabled, mode, cancellation_reason: reasons } = visit.features.subscription_cancel;
    if (!enabled || !subscription || isEnding(subscription)) return null;
    const reason = fieldOf(form, "reason");
    const feedback = reasons.enabled && reasons.options?.includes(reason) ? reason : null;
    const comment = reasons.enabled ? fieldOf(form, "comment").slice(0, MAX_COMMENT) || null : null;
    if (mode === "at_period_end") {
      cancelAt(visit.world, subscription, nextPeriodEnd(subscription), { feedback, comment });
    } else {
      Object.assign(subscription.cancellation_details, { feedback, comment });
      end(visit.world, subscription, "cancellation_requested");
    }
    return { to: after(visit, "cancel") };
  },

  resume(visit, form) {
    const subscription = namedSubscription(visit, form);
    if (!subscription) return null;
    const { subscription_cancel: cancel, subscription_pause: pausing } = visit.features;
    if (cancel.enabled && isEnding(subscription)) undoCancellation(visit.world, subscription);
    else if (pausing.enabled && subscription.status === "paused") resume(visit.world, subscription, "now");
    return null;
  },

  pause(visit, form) {
    const subscription = namedSubscription(visit, form);
    const { enabled, duration } = visit.features.subscription_pause;
    if (!enabled || !subscription || !isPausable(subscription)) return null;
    const option = duration.interval_options[Number(fieldOf(form, "duration") || "0")];
    if (duration.type === "interval_options" && !option) return null;
    const at = now(visit.world);
    pause(visit.world, subscription);
    if (option && duration.type === "interval_options")
      setTimer(visit.world, "pause_ends", subscription.id, periodEnd(at, option.interval, option.interval_count, at));
    return { to: after(visit, "pause") };
  },

  change(visit, form) {
    const wanted = wantedChange(visit, form);
    if (wanted === null) return null;
    if (typeof wanted === "string") return { to: addressOf(visit, "home"), notice: wanted };
    const changed = makeChange(visit, wanted);
    if (changed.kind === "changed") return { to: after(visit, "change") };
    if (changed.kind === "challenge") return { to: `/challenge/${changed.id}` };
    return { to: addressOf(visit, "home"), notice: changed.notice };
  },

  card(visit, form) {
    const { world, session } = visit;
    if (!visit.features.payment_method_update.enabled) return null;
    const card = readCard(world, form);
    if (card.kind === "invalid") return { to: addressOf(visit, "card"), notice: card.notice };
    const intent = createSetupIntent(world, { customer: session.customer });
    confirmSetup(world, intent, card.id, `${world.baseUrl}/p/session/${session.id}/saved/${intent.id}`);
    return intent.next_action ? { to: `/challenge/${intent.id}` } : cardSaved(visit, intent);
  },

  method(visit, form) {
    const method = methodsOf(visit).find(({ id }) => id === fieldOf(form, "method"));
    if (!visit.features.payment_method_update.enabled || !method) return null;
    if (fieldOf(form, "what") === "remove") detach(visit.world, method);
    else makeDefault(visit, method.id);
    return fieldOf(form, "what") === "remove" ? null : { to: after(visit, "card") };
  },
};

const MAX_COMMENT = 500;

export function isPausable({ status }: Subscription): boolean {
  return status === "active" || status === "trialing";
}

/** After the bank's page, or without one. */
export function cardSaved(visit: Visit, intent: SetupIntent): Next {
  const { world, session } = visit;
  const saved = intent.status === "succeeded" && intent.customer === session.customer;
  const method = saved ? find(world, "payment_method", intent.payment_method) : undefined;
  if (method?.customer === session.customer) {
    makeDefault(visit, method.id);
    return { to: after(visit, "card") };
  }
  return { to: addressOf(visit, "card"), notice: intent.last_setup_error?.message ?? "The card was not saved." };
}

/** For everything to come: subscriptions with a card of their own take this one. */
function makeDefault(visit: Visit, method: string): void {
  const { world, session } = visit;
  change(world, "customer.updated", need(world, "customer", session.customer), (row) => {
    row.invoice_settings.default_payment_method = method;
  });
}
