/** Loads Stripe.js once, at its first use. */
import type { Stripe } from "@stripe/stripe-js";
import { TollkeeperClientError } from "./errors.ts";

export interface StripeJs {
  /**
   * Loads Stripe.js. Throws an error with the code `stripe_js_blocked` if an extension, a firewall or a content security policy
   * blocks Stripe.js.
   */
  load(publishableKey: string): Promise<Stripe>;
  /** Returns true if the last attempt to load Stripe.js failed. */
  isBlocked(): boolean;
}

export function createStripeJs(): StripeJs {
  let loading: Promise<Stripe> | null = null;
  let blocked = false;
  return {
    isBlocked: () => blocked,
    load(publishableKey) {
      loading ??= loadNow(publishableKey).then(
        (stripe) => {
          blocked = false;
          return stripe;
        },
        (cause: unknown) => {
          blocked = true;
          loading = null;
          const message =
            "Stripe could not be loaded. Turn off content blockers for this page, or try another network.";
          throw new TollkeeperClientError("stripe_js_blocked", message, { cause });
        },
      );
      return loading;
    },
  };
}

async function loadNow(publishableKey: string): Promise<Stripe> {
  const { loadStripe } = await import("@stripe/stripe-js/pure");
  const stripe = await loadStripe(publishableKey);
  if (!stripe) throw new Error("Stripe.js loaded without its API");
  return stripe;
}
