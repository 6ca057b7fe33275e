/**
 * Defines all texts of the premium modal, a dialog that shows plans and subscriptions. An app can replace the texts of the
 * premium modal, for example with a translation.
 */
import type { CancelRequest } from "../browser/index.ts";

export interface Messages {
  heading: string;
  intro: string;
  loading: string;
  close: string;
  retry: string;
  monthly: string;
  yearly: string;
  interval: string;
  save: (percent: number) => string;
  perMonth: string;
  perYear: string;
  trial: (days: number) => string;
  choose: (plan: string) => string;
  redirecting: string;
  secure: string;
  memberHeading: (plan: string) => string;
  renewsOn: (date: string) => string;
  trialUntil: (date: string) => string;
  endsOn: (date: string) => string;
  payNow: string;
  manage: string;
  cancel: string;
  resume: string;
  cancelHeading: (plan: string) => string;
  cancelText: (date: string) => string;
  cancelReason: string;
  cancelReasons: Record<CancelReason, string>;
  noAnswer: string;
  confirmCancel: string;
  keep: string;
  successHeading: (plan: string) => string;
  successText: string;
  done: string;
}

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
  save: (percent) => `save ${percent}%`,
  perMonth: "per month",
  perYear: "per year",
  trial: (days) => `${days} days free, then`,
  choose: (plan) => `Get ${plan}`,
  redirecting: "Taking you to the secure checkout…",
  secure: "Payment by Stripe. Your card never reaches us.",
  memberHeading: (plan) => `You have ${plan}`,
  renewsOn: (date) => `Renews on ${date}`,
  trialUntil: (date) => `Free trial until ${date}`,
  endsOn: (date) => `Ends on ${date}. You keep everything until then.`,
  payNow: "Pay now",
  manage: "Manage billing",
  cancel: "Cancel subscription",
  resume: "Keep my subscription",
  cancelHeading: (plan) => `Cancel ${plan}?`,
  cancelText: (date) => `You keep everything until ${date}, and are not charged again.`,
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
  successHeading: (plan) => `Welcome to ${plan}`,
  successText: "Your payment went through, and everything is unlocked.",
  done: "Done",
};
