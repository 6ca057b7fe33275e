/** Defines the hooks of the app: their names and payloads. */
import type { AccessReason } from "./access.ts";
import type { BillingOwner } from "./owner.ts";
import type { DisputeOutcome } from "./reversals.ts";

export interface AccessHook {
  /** Stable id of a change: if a hook is called again for the same change, the id stays the same. */
  id: string;
  owner: BillingOwner;
  features: readonly string[];
}

export interface AccessGrantedHook extends AccessHook {
  entitlements: readonly { feature: string; plan: string; until: number | null; reason: AccessReason }[];
}

export interface PaymentHook {
  id: string;
  owner: BillingOwner;
  invoiceId: string;
  subscriptionId: string | null;
  /** The amount that was paid, or that is still to pay after a failure, in minor units of `currency`. */
  amount: number;
  /** Total of the invoice in minor units of `currency`. It differs from `amount` if a credit paid a part of the invoice. */
  total: number;
  currency: string;
  /** Number of decimal digits of `amount`: 900 with 2 digits is 9.00. */
  fractionDigits: number;
  /** A sentence about the payment to show to the user; null after a success. */
  message: string | null;
  /** The URL of the page on which the user can pay or confirm a payment; null if the user has nothing to do. */
  actionUrl: string | null;
}

export interface TrialHook {
  id: string;
  owner: BillingOwner;
  subscriptionId: string;
  /** End of the trial in epoch milliseconds. */
  trialEnd: number;
}

export interface RefundHook {
  /** The id changes if the refund fails after it was reported. */
  id: string;
  owner: BillingOwner;
  refundId: string;
  /** The invoice whose payment was refunded; null if the payment paid no invoice. */
  invoiceId: string | null;
  subscriptionId: string | null;
  /** The refunded amount in minor units of `currency`. */
  amount: number;
  currency: string;
  /** Number of decimal digits of the currency. */
  fractionDigits: number;
  /** True if all refunds of the invoice together return everything that was paid. */
  full: boolean;
  /** `failed` if the user's bank did not accept a refund that an earlier hook reported. */
  outcome: "refunded" | "failed";
}

export interface DisputeHook {
  id: string;
  owner: BillingOwner;
  disputeId: string;
  /** The invoice whose payment is disputed; null if the payment paid no invoice. */
  invoiceId: string | null;
  subscriptionId: string | null;
  /** The disputed amount in minor units of `currency`. */
  amount: number;
  currency: string;
  /** Number of decimal digits of the currency. */
  fractionDigits: number;
  outcome: DisputeOutcome;
}

/**
 * The app's own functions, which the worker calls after changes. Each hook runs at least once per change; the hooks for one
 * billing owner run in order. If a hook throws, the worker runs the hook again later. A hook may run twice for one change, so
 * use the event's `id` to skip repeated calls.
 */
export interface Hooks {
  onAccessGranted?: (event: AccessGrantedHook) => void | Promise<void>;
  onAccessRevoked?: (event: AccessHook) => void | Promise<void>;
  onPaymentSucceeded?: (event: PaymentHook) => void | Promise<void>;
  onPaymentFailed?: (event: PaymentHook) => void | Promise<void>;
  onPaymentActionRequired?: (event: PaymentHook) => void | Promise<void>;
  /** The hook runs when a trial starts. A trial starts without a payment, so `onPaymentSucceeded` does not run. */
  onTrialStarted?: (event: TrialHook) => void | Promise<void>;
  /** The hook runs three days before a trial ends, or at once if the trial is shorter than three days. */
  onTrialWillEnd?: (event: TrialHook) => void | Promise<void>;
  onRefund?: (event: RefundHook) => void | Promise<void>;
  /** The hook runs when a dispute is opened, won or lost. */
  onDispute?: (event: DisputeHook) => void | Promise<void>;
}

export type HookName = keyof Hooks;

const NAMES: Record<HookName, true> = {
  onAccessGranted: true,
  onAccessRevoked: true,
  onPaymentSucceeded: true,
  onPaymentFailed: true,
  onPaymentActionRequired: true,
  onTrialStarted: true,
  onTrialWillEnd: true,
  onRefund: true,
  onDispute: true,
};
export const HOOK_NAMES: readonly HookName[] = Object.keys(NAMES) as HookName[];
