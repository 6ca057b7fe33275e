/** Renders each state of the modal with pure functions that return DOM elements. */
import type { Subscription } from "../wire.ts";
import { h, type Child } from "./dom.ts";
import { formatDate } from "./format.ts";
import type { CancelReason, CheckoutOutcome } from "./messages.ts";
import { button, heading, type Account, type View, type ViewContext } from "./premium-modal-parts.ts";
import { renderPlans } from "./premium-modal-plans.ts";
import { dueText, priceText, textsOf, type SubscriptionTexts } from "./subscription-texts.ts";

export function render(view: View, context: ViewContext): Child[] {
  switch (view.kind) {
    case "loading":
      return renderLoading(context);
    case "failed":
      return renderFailed(view.message, context);
    case "plans":
      return renderPlans(view, context);
    case "member":
      return renderMember(view.account, context);
    case "canceling":
      return renderCanceling(view.subscription, context);
    case "success":
      return renderSuccess(view, context);
  }
}

function renderLoading({ messages }: ViewContext): Child[] {
  return [heading(messages.heading), h("p", { role: "status" }, messages.loading), h("div", { class: "skeleton" })];
}

function renderFailed(message: string, { messages, actions }: ViewContext): Child[] {
  return [
    heading(messages.heading),
    h("p", { class: "alert", role: "alert", part: "error" }, message),
    h("div", { class: "actions" }, button(messages.retry, "primary", actions.show)),
  ];
}

function renderMember({ subscriptions, hasChoice }: Account, context: ViewContext): Child[] {
  const { messages, actions } = context;
  const described = subscriptions.map((subscription) => ({ subscription, texts: textsOf(subscription, context) }));
  const [only, ...others] = described;
  const canRestart = subscriptions.some((subscription) => subscription.actions.includes("checkout"));
  const plans =
    hasChoice && !canRestart
      ? h("div", { class: "actions" }, button(messages.allPlans, "quiet", actions.showPlans))
      : null;
  if (only && others.length === 0)
    return [heading(only.texts.heading), ...describe(only.subscription, only.texts, context), plans];
  return [
    heading(messages.severalHeading),
    ...described.map(({ subscription, texts }) =>
      h(
        "section",
        { class: "plan", part: "plan", "aria-label": texts.heading },
        h("h3", {}, texts.heading),
        ...describe(subscription, texts, context),
      ),
    ),
    plans,
  ];
}

/** Describes one subscription, and renders a button for each action. The first action, which helps most, stands out. */
function describe(subscription: Subscription, texts: SubscriptionTexts, context: ViewContext): Child[] {
  const details = [texts.price, texts.card].filter((text) => text !== null);
  return [
    ...sentences(texts),
    details.length > 0 ? h("p", { class: "soft" }, details.join(" · ")) : null,
    h(
      "div",
      { class: "actions" },
      ...subscription.actions.map((action, index) =>
        actionButton(action, subscription, { isFirst: index === 0, context }),
      ),
    ),
  ];
}

function sentences({ alert, status }: SubscriptionTexts): Child[] {
  return [
    alert.length > 0 ? h("p", { class: "alert", role: "alert", part: "error" }, alert.join(" ")) : null,
    status.length > 0 ? h("p", { role: "status" }, status.join(" ")) : null,
  ];
}

function actionButton(
  action: Subscription["actions"][number],
  subscription: Subscription,
  { isFirst, context: { messages, actions } }: { isFirst: boolean; context: ViewContext },
): Child {
  switch (action) {
    case "pay": {
      const href = subscription.due?.payUrl;
      return href
        ? h("a", { class: "button primary", part: "button button-primary", href, rel: "noopener" }, messages.payNow)
        : null;
    }
    case "resume":
      return button(messages.resume, isFirst ? "primary" : "quiet", () => actions.resume(subscription));
    case "checkout":
      return button(messages.restart, isFirst ? "primary" : "quiet", actions.showPlans);
    case "portal":
      return button(messages.manage, isFirst && !subscription.access ? "primary" : "quiet", actions.manage);
    case "cancel":
      return button(messages.cancel, "danger", () => actions.askCancel(subscription));
  }
}

function renderCanceling(subscription: Subscription, context: ViewContext): Child[] {
  const { messages, actions } = context;
  const reasons = Object.entries(messages.cancelReasons) as [CancelReason, string][];
  const select = h(
    "select",
    { id: "reason" },
    h("option", { value: "" }, messages.noAnswer),
    ...reasons.map(([value, text]) => h("option", { value }, text)),
  );
  return [
    heading(messages.cancelHeading(subscription.planName)),
    h("p", {}, cancelText(subscription, context)),
    h("label", { class: "field", for: "reason" }, messages.cancelReason),
    select,
    h(
      "div",
      { class: "actions" },
      button(messages.keep, "quiet", actions.back),
      button(messages.confirmCancel, "danger", () => actions.cancel(subscription, select.value)),
    ),
  ];
}

function cancelText({ access, due, currentPeriodEnd }: Subscription, context: ViewContext): string {
  const { messages, locale } = context;
  const amount = dueText(due, context);
  if (amount !== null) return messages.cancelTextWithDue(amount);
  return access && currentPeriodEnd !== null
    ? messages.cancelText(formatDate(currentPeriodEnd, locale))
    : messages.cancelTextWithoutAccess;
}

function renderSuccess(
  { outcome, subscription }: { outcome: CheckoutOutcome; subscription: Subscription | null },
  context: ViewContext,
): Child[] {
  const { messages, actions } = context;
  if (outcome === "open" || outcome === "expired")
    return [
      heading(messages.openHeading),
      h("p", { role: "status" }, messages.notCompleted),
      h("div", { class: "actions" }, button(messages.allPlans, "primary", actions.show)),
    ];
  const done = h("div", { class: "actions" }, button(messages.done, "primary", actions.close));
  // The address of an old checkout can be opened again when its subscription has ended or is locked.
  if (subscription && !subscription.access && subscription.status !== "incomplete") {
    const texts = textsOf(subscription, context);
    return [heading(texts.heading), ...sentences(texts), done];
  }
  return [
    heading(messages.successHeading(subscription?.planName ?? null)),
    h("p", { role: "status" }, successText(outcome, subscription, context)),
    done,
  ];
}

function successText(
  outcome: Exclude<CheckoutOutcome, "open" | "expired">,
  subscription: Subscription | null,
  context: ViewContext,
): string {
  const { messages, locale } = context;
  switch (outcome) {
    case "trial_started": {
      const end = subscription?.trialEnd == null ? null : formatDate(subscription.trialEnd, locale);
      return messages.trialStarted(end, priceText(subscription?.price ?? null, context));
    }
    case "processing":
      return messages.processing;
    case "nothing_due":
      return messages.nothingDue;
    case "paid":
      return messages.successText;
  }
}
