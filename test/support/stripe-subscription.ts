/** Reads the subscription of a test at Stripe, the emulator. */
import type Stripe from "stripe";
import type { TestBilling, TestUser } from "../../packages/tollkeeper/src/testing/index.ts";
import type { TestHarness } from "./harness.ts";

export interface StripeSubscription {
  id: string;
  customer: string;
  schedule: string | null;
  status: string;
  cancel_at: number | null;
  cancel_at_period_end: boolean;
  pause_collection: object | null;
  items: { data: { id: string; price: { lookup_key: string; product: string }; current_period_end: number }[] };
}

/** Returns the newest subscription of all customers, whatever its status. Throws if there is none. */
export async function findSubscription({ stripe }: Pick<TestHarness, "stripe">): Promise<StripeSubscription> {
  const { body } = await stripe("GET", "/v1/subscriptions", { status: "all" });
  const [newest] = body["data"] as StripeSubscription[];
  if (!newest) throw new Error("there is no subscription");
  return newest;
}

/** Returns the newest subscription of a user of the test kit. Throws if there is none. */
export async function subscriptionOf(
  { stripe }: Pick<TestBilling, "stripe">,
  user: Pick<TestUser, "id" | "subscriptions">,
): Promise<Stripe.Subscription & { customer: string }> {
  const [newest] = await user.subscriptions();
  if (!newest) throw new Error(`${user.id} has no subscription`);
  return (await stripe.subscriptions.retrieve(newest.id)) as Stripe.Subscription & { customer: string };
}
