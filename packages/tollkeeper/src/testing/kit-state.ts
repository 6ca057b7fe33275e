/** The parts of the kit that change during a test. */
import type { TestBillingOptions } from "./test-options.ts";

/** The addresses of a served app. */
export interface ServedBilling {
  /** The address of the app. If no app is served, the address of the service. */
  appUrl: string;
  /** The address of Stripe's pages and API. */
  stripeUrl: string;
}

export interface KitState {
  /** The options of the service, as the test gave them. */
  options: Omit<TestBillingOptions, "startAt" | "signIn" | "createEmulator" | "afterRetries" | "test">;
  isStripeDown: boolean;
  /** True while webhooks are held. */
  isHeld: boolean;
  /** The instant at which the service looks for missed events; null if it has missed none. */
  reconcileAt: number | null;
  /** The addresses of the servers; null if nothing is served. */
  served: ServedBilling | null;
}

/** Options that a restart can change. The database stays. */
export type RestartChanges = Partial<Omit<KitState["options"], "database">>;
