/** Declares the states of the modal, and renders the parts that several states share. */
import type { CheckoutSessionRequest, OfferedPlan, Subscription } from "../wire.ts";
import { h } from "./dom.ts";
import type { CheckoutOutcome, Messages } from "./messages.ts";

export type Interval = CheckoutSessionRequest["interval"];

export type View =
  | { kind: "loading" }
  | { kind: "failed"; message: string }
  | { kind: "plans"; plans: OfferedPlan[]; interval: Interval; account: Account }
  | { kind: "member"; account: Account }
  | { kind: "canceling"; account: Account; subscription: Subscription }
  | { kind: "success"; outcome: CheckoutOutcome; subscription: Subscription | null };

export interface Account {
  /** The user's subscriptions that the modal shows. */
  subscriptions: Subscription[];
  /** The subscription that ended last; null if another one is shown, or if there is none. */
  ended: Subscription | null;
  /** True if the app sells more than one price, so that a member may want to see the plans. */
  hasChoice: boolean;
}

export interface ViewContext {
  messages: Messages;
  locale: string;
  actions: {
    /** Loads the account, and shows the subscriptions, or else the plans. */
    show(): void;
    close(): void;
    choose(plan: OfferedPlan): void;
    setInterval(interval: Interval): void;
    manage(): void;
    /** Shows the plans to the account of the current view. */
    showPlans(): void;
    askCancel(subscription: Subscription): void;
    back(): void;
    cancel(subscription: Subscription, reason: string): void;
    resume(subscription: Subscription): void;
  };
}

export function heading(text: string): HTMLElement {
  return h("h2", { id: "heading", tabindex: "-1", part: "heading" }, text);
}

export function button(text: string, kind: "primary" | "quiet" | "danger", onClick: () => void): HTMLElement {
  return h("button", { type: "button", class: kind, part: `button button-${kind}`, click: onClick }, text);
}
