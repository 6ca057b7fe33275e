/** Renders each state of the modal with pure functions that return DOM elements. */
import type { CheckoutSessionRequest, Plan, Subscription } from "../browser/index.ts";
import { h, type Child } from "./dom.ts";
import { formatDate, formatMoney } from "./format.ts";
import type { CancelReason, Messages } from "./messages.ts";

export type Interval = CheckoutSessionRequest["interval"];

export type View =
  | { kind: "loading" }
  | { kind: "failed"; message: string }
  | { kind: "plans"; plans: Plan[]; interval: Interval }
  | { kind: "member"; subscription: Subscription }
  | { kind: "canceling"; subscription: Subscription }
  | { kind: "success"; planName: string };

export interface ViewContext {
  messages: Messages;
  locale: string;
  actions: {
    retry(): void;
    close(): void;
    choose(plan: Plan): void;
    setInterval(interval: Interval): void;
    manage(): void;
    askCancel(subscription: Subscription): void;
    keep(subscription: Subscription): void;
    cancel(subscription: Subscription, reason: string): void;
    resume(subscription: Subscription): void;
  };
}

export function render(view: View, context: ViewContext): Child[] {
  switch (view.kind) {
    case "loading":
      return renderLoading(context);
    case "failed":
      return renderFailed(view.message, context);
    case "plans":
      return renderPlans(view, context);
    case "member":
      return renderMember(view.subscription, context);
    case "canceling":
      return renderCanceling(view.subscription, context);
    case "success":
      return renderSuccess(view.planName, context);
  }
}

function heading(text: string): HTMLElement {
  return h("h2", { id: "heading", part: "heading", tabindex: "-1" }, text);
}

function button(text: string, kind: "primary" | "quiet" | "danger", onClick: () => void): HTMLElement {
  return h("button", { type: "button", class: kind, part: `button button-${kind}`, click: onClick }, text);
}

function renderLoading({ messages }: ViewContext): Child[] {
  return [heading(messages.heading), h("p", { role: "status" }, messages.loading), h("div", { class: "skeleton" })];
}

function renderFailed(message: string, { messages, actions }: ViewContext): Child[] {
  return [
    heading(messages.heading),
    h("p", { class: "alert", role: "alert", part: "error" }, message),
    h("div", { class: "actions" }, button(messages.retry, "primary", actions.retry)),
  ];
}

function renderPlans({ plans, interval }: { plans: Plan[]; interval: Interval }, context: ViewContext): Child[] {
  const { messages } = context;
  const intervals = new Set(plans.flatMap((plan) => plan.prices.map((price) => price.interval)));
  return [
    heading(messages.heading),
    h("p", { class: "soft" }, messages.intro),
    intervals.size > 1 ? intervalSwitch(plans, interval, context) : null,
    h("div", { class: "plans", part: "plans" }, ...plans.map((plan) => planCard(plan, interval, context))),
    h("p", { class: "soft footer" }, messages.secure),
  ];
}

function intervalSwitch(plans: Plan[], chosen: Interval, { messages, actions }: ViewContext): HTMLElement {
  const percent = Math.max(...plans.map(yearlySaving));
  const yearly = percent > 0 ? `${messages.yearly} (${messages.save(percent)})` : messages.yearly;
  const option = (interval: Interval, text: string) =>
    h(
      "label",
      {},
      h("input", {
        type: "radio",
        name: "interval",
        value: interval,
        checked: interval === chosen,
        change: () => actions.setInterval(interval),
      }),
      text,
    );
  return h(
    "fieldset",
    { part: "interval" },
    h("legend", {}, messages.interval),
    option("month", messages.monthly),
    option("year", yearly),
  );
}

/** Returns how much cheaper the yearly price is than twelve monthly prices, in whole percent. */
function yearlySaving({ prices }: Plan): number {
  const month = prices.find((price) => price.interval === "month");
  const year = prices.find((price) => price.interval === "year");
  if (!month || !year || month.currency !== year.currency) return 0;
  return Math.max(0, Math.floor(100 * (1 - year.amount / (12 * month.amount))));
}

function planCard(plan: Plan, interval: Interval, { messages, locale, actions }: ViewContext): HTMLElement {
  const price = plan.prices.find((candidate) => candidate.interval === interval) ?? plan.prices[0];
  const per = price?.interval === "year" ? messages.perYear : messages.perMonth;
  return h(
    "section",
    { class: "plan", part: "plan", "aria-label": plan.name },
    h("h3", {}, plan.name),
    plan.description ? h("p", { class: "soft" }, plan.description) : null,
    price && price.trialDays > 0 ? h("span", { class: "soft" }, messages.trial(price.trialDays)) : null,
    price ? h("div", { class: "price" }, formatMoney(price, locale), " ", h("small", {}, per)) : null,
    h("ul", {}, ...plan.features.map((feature) => h("li", {}, plan.featureNames[feature] ?? feature))),
    button(messages.choose(plan.name), "primary", () => actions.choose(plan)),
  );
}

function renderMember(subscription: Subscription, { messages, locale, actions }: ViewContext): Child[] {
  const name = subscription.planName ?? subscription.id;
  const { price, latestInvoice, cancelAt } = subscription;
  const amount = price?.amount == null ? null : formatMoney({ ...price, amount: price.amount }, locale);
  const per = price?.interval === "year" ? messages.perYear : messages.perMonth;
  return [
    heading(messages.memberHeading(name)),
    h("p", { role: "status" }, period(subscription, messages, locale)),
    latestInvoice?.message ? h("p", { class: "alert", role: "alert", part: "error" }, latestInvoice.message) : null,
    amount === null ? null : h("p", { class: "soft" }, `${amount} ${per}${cardOf(subscription)}`),
    h(
      "div",
      { class: "actions" },
      latestInvoice?.actionUrl
        ? h("a", { class: "button primary", href: latestInvoice.actionUrl, rel: "noopener" }, messages.payNow)
        : null,
      cancelAt === null ? null : button(messages.resume, "primary", () => actions.resume(subscription)),
      button(messages.manage, "quiet", actions.manage),
      cancelAt === null ? button(messages.cancel, "danger", () => actions.askCancel(subscription)) : null,
    ),
  ];
}

function period(
  { cancelAt, currentPeriodEnd, trialEnd, status }: Subscription,
  messages: Messages,
  locale: string,
): string {
  if (cancelAt !== null) return messages.endsOn(formatDate(cancelAt, locale));
  if (status === "trialing" && trialEnd !== null) return messages.trialUntil(formatDate(trialEnd, locale));
  return currentPeriodEnd === null ? "" : messages.renewsOn(formatDate(currentPeriodEnd, locale));
}

function cardOf({ paymentMethod }: Subscription): string {
  return paymentMethod?.last4 ? ` · ${paymentMethod.brand ?? paymentMethod.type} •••• ${paymentMethod.last4}` : "";
}

function renderCanceling(subscription: Subscription, { messages, locale, actions }: ViewContext): Child[] {
  const end = subscription.currentPeriodEnd;
  const reasons = Object.entries(messages.cancelReasons) as [CancelReason, string][];
  const select = h(
    "select",
    { id: "reason" },
    h("option", { value: "" }, messages.noAnswer),
    ...reasons.map(([value, text]) => h("option", { value }, text)),
  );
  return [
    heading(messages.cancelHeading(subscription.planName ?? subscription.id)),
    h("p", {}, end === null ? "" : messages.cancelText(formatDate(end, locale))),
    h("label", { class: "field", for: "reason" }, messages.cancelReason),
    select,
    h(
      "div",
      { class: "actions" },
      button(messages.keep, "quiet", () => actions.keep(subscription)),
      button(messages.confirmCancel, "danger", () => actions.cancel(subscription, select.value)),
    ),
  ];
}

function renderSuccess(planName: string, { messages, actions }: ViewContext): Child[] {
  return [
    heading(messages.successHeading(planName)),
    h("p", { role: "status" }, messages.successText),
    h("div", { class: "actions" }, button(messages.done, "primary", actions.close)),
  ];
}
