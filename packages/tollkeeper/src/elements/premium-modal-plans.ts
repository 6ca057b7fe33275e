/** Renders the plans, with what each of them offers to the visitor or user. */
import type { OfferedPlan } from "../wire.ts";
import { h, type Child } from "./dom.ts";
import { formatMoney } from "./format.ts";
import { button, heading, type Account, type Interval, type ViewContext } from "./premium-modal-parts.ts";
import { intervalText, priceParts, textsOf } from "./subscription-texts.ts";

export function renderPlans(
  { plans, interval, account }: { plans: OfferedPlan[]; interval: Interval; account: Account },
  context: ViewContext,
): Child[] {
  const { messages, actions } = context;
  const intervals = new Set(plans.flatMap((plan) => plan.prices.map((price) => price.interval)));
  const ended = account.ended && textsOf(account.ended, context).status.join(" ");
  return [
    heading(messages.heading),
    ended ? h("p", { role: "status" }, ended) : null,
    h("p", { class: "soft" }, messages.intro),
    intervals.size > 1 ? intervalSwitch(plans, interval, context) : null,
    h("div", { class: "plans", part: "plans" }, ...plans.map((plan) => planCard(plan, { interval, account }, context))),
    h("p", { class: "soft footer" }, messages.secure),
    account.subscriptions.length > 0 ? button(messages.back, "quiet", actions.back) : null,
  ];
}

/** Returns the price that the modal shows for a plan: the one of the chosen interval, or else the plan's first price. */
export function priceOf({ prices }: OfferedPlan, interval: Interval): OfferedPlan["prices"][number] | undefined {
  return prices.find((price) => price.interval === interval) ?? prices[0];
}

function intervalSwitch(plans: OfferedPlan[], chosen: Interval, { messages, actions }: ViewContext): HTMLElement {
  const savings = plans.map(yearlySaving);
  const most = Math.max(...savings);
  const isSame = savings.every((saving) => saving === most);
  const yearly = most > 0 ? `${messages.yearly} (${messages.save(most, isSame)})` : messages.yearly;
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
function yearlySaving({ prices }: OfferedPlan): number {
  const month = prices.find((price) => price.interval === "month");
  const year = prices.find((price) => price.interval === "year");
  if (!month || !year || month.currency !== year.currency) return 0;
  return Math.max(0, Math.floor(100 * (1 - year.amount / (12 * month.amount))));
}

function planCard(
  plan: OfferedPlan,
  { interval, account }: { interval: Interval; account: Account },
  context: ViewContext,
): HTMLElement {
  const { messages } = context;
  const price = priceOf(plan, interval);
  const shown = price ? shownPrice(price, account, context) : null;
  return h(
    "section",
    { class: "plan", part: "plan", "aria-label": plan.name },
    h("h3", {}, plan.name),
    plan.description ? h("p", { class: "soft" }, plan.description) : null,
    price && price.trialDays > 0 ? h("span", { class: "soft" }, messages.trial(price.trialDays)) : null,
    shown && h("div", { class: "price" }, shown.total, " ", h("small", {}, shown.rhythm)),
    h("ul", {}, ...plan.features.map((feature) => h("li", {}, plan.featureNames[feature] ?? feature))),
    planButton(plan, price?.action ?? "checkout", context),
  );
}

/** Returns the texts of a plan's price. The user's own price can differ from the price at which the plan is sold now. */
function shownPrice(
  price: OfferedPlan["prices"][number],
  account: Account,
  context: ViewContext,
): { total: string; rhythm: string } | null {
  const { messages, locale } = context;
  const own = account.subscriptions.find(({ id }) => price.action === "current" && id === price.subscriptionId);
  if (own) return priceParts(own.price, context);
  return { total: formatMoney(price, locale), rhythm: intervalText(price.interval, 1, messages) };
}

function planButton(
  plan: OfferedPlan,
  action: OfferedPlan["prices"][number]["action"],
  { messages, actions }: ViewContext,
): HTMLElement {
  switch (action) {
    case "checkout":
      return button(messages.choose(plan.name), "primary", () => actions.choose(plan));
    case "manage":
      return button(messages.change(plan.name), "quiet", actions.manage);
    case "current":
      return h("p", { class: "current", part: "current" }, messages.currentPlan);
  }
}
