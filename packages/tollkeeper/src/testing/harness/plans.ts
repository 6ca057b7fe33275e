/** Creates the plans of a test as products and prices in the emulator. */
import { pushPlans } from "../../actions/push-plans.ts";
import { diffProducts } from "../../domain/product-changes.ts";
import type { Plans } from "../../domain/plans.ts";
import { createStripeGateway, type StripeGateway } from "../../stripe/gateway/gateway.ts";
import { TEST_SECRET_KEY, TEST_STRIPE_URL } from "./constants.ts";
import type { TestEmulator } from "./emulator.ts";

/** Returns a gateway to the emulator that does not retry. */
export function createTestGateway(
  emulator: Pick<TestEmulator, "fetch" | "now">,
  secretKey = TEST_SECRET_KEY,
): StripeGateway {
  return createStripeGateway({
    secretKey,
    mode: "test",
    userIdKey: "auth0_user_id",
    apiBase: TEST_STRIPE_URL,
    fetch: (input, init) => emulator.fetch(new Request(input, init)),
    networkRetries: 0,
    version: "test",
    now: () => emulator.now(),
  });
}

/** Creates the products and prices of all plans in a Stripe account without products. */
export async function pushTestPlans(gateway: StripeGateway, plans: Plans, now: () => number): Promise<void> {
  let count = 0;
  await pushPlans(gateway, diffProducts(plans, [], []), { newId: () => `push${++count}`, now });
}
