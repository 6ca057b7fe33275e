/** Defines the hooks of the app: their names and payloads. */
import type { AccessReason } from "./access.ts";
import type { BillingOwner } from "./owner.ts";

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
  /** Amount of the payment in minor units of `currency`. */
  amount: number;
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
  /** The hook runs three days before a trial ends, or at once if the trial is shorter than three days. */
  onTrialWillEnd?: (event: TrialHook) => void | Promise<void>;
}

export type HookName = keyof Hooks;
