/**
 * Defines all texts of the premium modal, a dialog that shows plans and subscriptions. An app can replace the texts of the
 * premium modal, for example with a translation.
 */
import type { CancelRequest, Subscription, VerifiedCheckout } from "../wire.ts";

export interface Messages {
  heading: string;
  intro: string;
  loading: string;
  close: string;
  retry: string;
  monthly: string;
  yearly: string;
  interval: string;
  /** The saving of the yearly price. If the plans save different parts, `isSame` is false and `percent` is the largest. */
  save: (percent: number, isSame: boolean) => string;
  perMonth: string;
  perYear: string;
  /** The interval of a price, such as "every 3 months". The texts `perMonth` and `perYear` are for single months and years. */
  every: (count: number, interval: BillingInterval) => string;
  /** The number of units that a price is for, such as seats, with the price of one unit. */
  units: (count: number, each: string) => string;
  trial: (days: number) => string;
  choose: (plan: string) => string;
  currentPlan: string;
  /** The button that opens the portal, in which the user can change to the plan. */
  change: (plan: string) => string;
  allPlans: string;
  back: string;
  redirecting: string;
  secure: string;
  /** The headings of one subscription. The plan is null if its name is unknown. */
  memberHeading: (plan: string | null) => string;
  /** The heading of a subscription that gives no access. */
  lockedHeading: (plan: string | null) => string;
  severalHeading: string;
  renewsOn: (date: string) => string;
  trialUntil: (date: string) => string;
  endsOn: (date: string) => string;
  /** The texts about a subscription that needs the user's attention, or that has ended. */
  firstPaymentOpen: (amount: string | null) => string;
  firstPaymentMissed: string;
  paymentFailed: (amount: string | null) => string;
  paymentOverdue: (amount: string) => string;
  invoiceDue: (amount: string, date: string) => string;
  confirmPayment: (amount: string) => string;
  nextAttempt: (date: string) => string;
  noNextAttempt: string;
  accessUntil: (date: string) => string;
  noAccess: string;
  /** The reasons for which a subscription gives no access, although Stripe may charge for it. */
  disputed: string;
  disputeLost: string;
  refunded: string;
  collectionPaused: (until: string | null) => string;
  paused: string;
  endsWithoutAccess: (date: string) => string;
  endedOn: (date: string) => string;
  payNow: string;
  manage: string;
  cancel: string;
  resume: string;
  restart: string;
  cancelHeading: (plan: string | null) => string;
  cancelText: (date: string) => string;
  cancelTextWithoutAccess: string;
  /** Replaces the other texts about a cancellation if a payment is open. */
  cancelTextWithDue: (amount: string) => string;
  cancelReason: string;
  cancelReasons: Record<CancelReason, string>;
  noAnswer: string;
  confirmCancel: string;
  keep: string;
  successHeading: (plan: string | null) => string;
  successText: string;
  trialStarted: (trialEnd: string | null, price: string | null) => string;
  processing: string;
  nothingDue: string;
  openHeading: string;
  notCompleted: string;
  done: string;
}

type BillingInterval = NonNullable<NonNullable<Subscription["price"]>["interval"]>;
/** The outcome of a checkout. */
export type CheckoutOutcome = VerifiedCheckout["outcome"];

/** The reasons for a cancellation that the modal offers. */
export type CancelReason = Exclude<NonNullable<CancelRequest["reason"]>, "customer_service">;

export const ENGLISH: Messages = {
  heading: "Go Premium",
  intro: "Choose a plan. Cancel whenever you like.",
  loading: "Loading plans…",
  close: "Close",
  retry: "Try again",
  monthly: "Monthly",
  yearly: "Yearly",
  interval: "Billing period",
  save: (percent, isSame) => `save ${isSame ? "" : "up to "}${percent}%`,
  perMonth: "per month",
  perYear: "per year",
  every: (count, interval) => (count === 1 ? `per ${interval}` : `every ${count} ${interval}s`),
  units: (count, each) => `for ${count} seats at ${each} each`,
  trial: (days) => `${days} ${days === 1 ? "day" : "days"} free, then`,
  choose: (plan) => `Get ${plan}`,
  currentPlan: "Your current plan",
  change: (plan) => `Change to ${plan}`,
  allPlans: "See all plans",
  back: "Go back",
  redirecting: "Taking you to the secure checkout…",
  secure: "Payment by Stripe. Your card never reaches us.",
  memberHeading: (plan) => `You have ${plan ?? "a subscription"}`,
  lockedHeading: (plan) => `${plan ?? "Your subscription"} is not active`,
  severalHeading: "Your subscriptions",
  renewsOn: (date) => `Renews on ${date}.`,
  trialUntil: (date) => `Free trial until ${date}.`,
  endsOn: (date) => `Ends on ${date}. You keep everything until then.`,
  firstPaymentOpen: (amount) =>
    `Your first payment${amount === null ? "" : ` of ${amount}`} is not complete. Complete it to start.`,
  firstPaymentMissed: "Your first payment was not completed in time, so nothing was charged. You can start again.",
  paymentFailed: (amount) => `Your payment${amount === null ? "" : ` of ${amount}`} did not go through.`,
  paymentOverdue: (amount) => `Your payment of ${amount} is overdue.`,
  invoiceDue: (amount, date) => `Your invoice of ${amount} is due on ${date}.`,
  confirmPayment: (amount) => `Your bank asks you to confirm your payment of ${amount}.`,
  nextAttempt: (date) => `We will try again on ${date}.`,
  noNextAttempt: "We will not try again by ourselves.",
  accessUntil: (date) => `You keep everything until ${date}.`,
  noAccess: "You have no access at the moment.",
  disputed: "Your bank disputes a payment.",
  disputeLost: "A payment was returned after a dispute.",
  refunded: "Your payment was refunded.",
  collectionPaused: (until) => `Payments are paused${until === null ? "" : ` until ${until}`}.`,
  paused: "Your subscription is paused. Add a payment method to continue.",
  endsWithoutAccess: (date) => `Your subscription ends on ${date}.`,
  endedOn: (date) => `Your subscription ended on ${date}.`,
  payNow: "Pay now",
  manage: "Manage billing",
  cancel: "Cancel subscription",
  resume: "Keep my subscription",
  restart: "Start again",
  cancelHeading: (plan) => `Cancel ${plan ?? "your subscription"}?`,
  cancelText: (date) => `You keep everything until ${date}, and are not charged again.`,
  cancelTextWithoutAccess: "You are not charged again.",
  cancelTextWithDue: (amount) => `Your subscription will not renew. The open payment of ${amount} stays due.`,
  cancelReason: "What made you decide? (optional)",
  cancelReasons: {
    too_expensive: "It is too expensive",
    missing_features: "It lacks something I need",
    unused: "I do not use it enough",
    switched_service: "I found something else",
    too_complex: "It is hard to use",
    low_quality: "It was less than I expected",
    other: "Something else",
  },
  noAnswer: "No answer",
  confirmCancel: "Cancel subscription",
  keep: "Go back",
  successHeading: (plan) => (plan === null ? "Welcome" : `Welcome to ${plan}`),
  successText: "Your payment went through, and everything is unlocked.",
  trialStarted: (trialEnd, price) =>
    trialEnd === null
      ? "Your trial has begun."
      : `Your trial has begun. It is free until ${trialEnd}${price === null ? "" : `, then ${price}`}. You can cancel at any time.`,
  processing: "Your payment is being processed. Everything is unlocked as soon as it arrives.",
  nothingDue: "There was nothing to pay, and everything is unlocked.",
  openHeading: "Your checkout is not complete",
  notCompleted: "Nothing was charged. You can choose a plan again.",
  done: "Done",
};
