/** Stripe.js, loaded only when somebody asks for it, and only once. */
import type { Stripe } from "@stripe/stripe-js";
import { TollkeeperClientError } from "./errors.ts";

export interface StripeJs {
  /** Throws `stripe_js_blocked` where an extension, a firewall or a content security policy keeps it out. */
  load(publishableKey: string): Promise<Stripe>;
  /** Whether the last try failed. */
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
  if (!stripe) throw new Error("Stripe.js answered nothing");
  return stripe;
}
