/** What the app can be told, and with which facts. */
import type { AccessReason } from "./access.ts";

export interface AccessHook {
  /** Stable: the same fact has the same id when it is delivered again. */
  id: string;
  userId: string;
  features: readonly string[];
}

export interface AccessGrantedHook extends AccessHook {
  entitlements: readonly { feature: string; plan: string; until: number | null; reason: AccessReason }[];
}

export interface PaymentHook {
  id: string;
  userId: string;
  invoiceId: string;
  subscriptionId: string | null;
  /** Minor units of `currency`. */
  amount: number;
  currency: string;
  /** A sentence for the user; null after a success. */
  message: string | null;
  /** Where the user can pay or confirm; null when there is nothing to do. */
  actionUrl: string | null;
}

export interface TrialHook {
  id: string;
  userId: string;
  subscriptionId: string;
  trialEnd: number;
}

/**
 * The app's own code, run from the outbox: at least once, in order per user. A hook that throws is tried again, so
 * make it idempotent by the event's `id`.
 */
export interface Hooks {
  onAccessGranted?: (event: AccessGrantedHook) => void | Promise<void>;
  onAccessRevoked?: (event: AccessHook) => void | Promise<void>;
  onPaymentSucceeded?: (event: PaymentHook) => void | Promise<void>;
  onPaymentFailed?: (event: PaymentHook) => void | Promise<void>;
  onPaymentActionRequired?: (event: PaymentHook) => void | Promise<void>;
  /** Three days before the first charge, or at once for shorter trials. */
  onTrialWillEnd?: (event: TrialHook) => void | Promise<void>;
}

export type HookName = keyof Hooks;
