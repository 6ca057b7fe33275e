/** Creates a test service for which a test can interrupt Stripe's webhook deliveries. */
import { createTestHarness, type TestHarness, type TestHarnessOptions } from "./harness.ts";

export interface DisconnectableBilling {
  billing: TestHarness;
  /**
   * After `connect(false)`, all of Stripe's deliveries fail. After `connect(true)`, Stripe's deliveries reach the service
   * again.
   */
  connect(isConnected: boolean): void;
}

export async function createDisconnectableBilling(setup: TestHarnessOptions = {}): Promise<DisconnectableBilling> {
  let isConnected = true;
  const billing = await createTestHarness({
    ...setup,
    deliver: (request, next) => (isConnected ? next(request) : Promise.reject(new TypeError("fetch failed"))),
  });
  return {
    billing,
    connect(value) {
      isConnected = value;
    },
  };
}

/** Returns the user's first subscription from the service's subscriptions route. */
export async function subscriptionOf(
  billing: TestHarness,
  user: string,
): Promise<{ id: string; status: string; cancelAtPeriodEnd: boolean } | undefined> {
  const { body } = await billing.call(user, "GET", "subscriptions");
  return (body["subscriptions"] as { id: string; status: string; cancelAtPeriodEnd: boolean }[])[0];
}
