/** Actions that users perform in the app and on Stripe's pages. */
import { payCheckout, TEST_STRIPE_URL } from "../../../packages/tollkeeper/src/testing/harness/index.ts";
import { PLANS } from "../../support/plans.ts";
import type { Simulation } from "../simulation.ts";
import type { User } from "./action.ts";
import { list, onSubscription } from "./lists.ts";

const CARDS = [
  "pm_card_visa",
  "pm_card_visa",
  "pm_card_visa",
  "pm_card_chargeDeclined",
  "pm_card_authenticationRequired",
];

export async function checkout({ call, scheduler }: Simulation, user: User): Promise<void> {
  const { random } = scheduler;
  const plan = random.pick(PLANS);
  await call(user, "POST", "create-checkout-session", { plan: plan.id, interval: random.pick(plan.prices).interval });
}

/** Pays on the page of the user's newest open session. */
export async function pay(simulation: Simulation, user: User): Promise<void> {
  const { random } = simulation.scheduler;
  const open = (await list(simulation, "/v1/checkout/sessions")).filter(
    (session) => session["status"] === "open" && session["client_reference_id"] === user,
  );
  const session = open[0];
  if (!session) return;
  const { body } = await payCheckout(simulation.stripe, String(session["id"]), random.pick(CARDS));
  const intent = body["payment_intent"] as { id?: string; status?: string } | string | null | undefined;
  if (typeof intent === "object" && intent?.status === "requires_action" && intent.id)
    await challenge(simulation, intent.id);
}

/** Confirms or rejects a payment on the bank's page, or leaves the page. */
async function challenge({ emulator, scheduler }: Simulation, intent: string): Promise<void> {
  const { random } = scheduler;
  if (random.happens(0.3)) return;
  const body = new URLSearchParams({ answer: random.happens(0.7) ? "yes" : "no" });
  await emulator.fetch(new Request(`${TEST_STRIPE_URL}/challenge/${intent}`, { method: "POST", body }));
}

export async function buy(simulation: Simulation, user: User): Promise<void> {
  await checkout(simulation, user);
  await pay(simulation, user);
}

/** Opens the page to which Stripe redirects after the user's newest checkout. */
export async function returnPage(simulation: Simulation, user: User): Promise<void> {
  const sessions = (await list(simulation, "/v1/checkout/sessions")).filter(
    (session) => session["client_reference_id"] === user,
  );
  const session = sessions[0];
  if (session) await simulation.call(user, "GET", `checkout-session?session_id=${String(session["id"])}`);
}

/** Lists the user's subscriptions. Checks that all listed subscriptions belong to the user. */
export async function viewSubscriptions(simulation: Simulation, user: User): Promise<void> {
  const response = await simulation.call(user, "GET", "subscriptions");
  if (response?.status !== 200) return;
  for (const { id } of response.body["subscriptions"] as { id: string }[]) {
    const { body } = await simulation.stripe("GET", `/v1/subscriptions/${id}`);
    const owner = await simulation.stripe("GET", `/v1/customers/${String(body["customer"])}`);
    const metadata = owner.body["metadata"] as Record<string, string> | undefined;
    // Until the service knows that a person has moved the customer to another user, the subscription belongs to both.
    simulation.auditor.update();
    const isMoved = simulation.auditor.isMoved(String(body["customer"]));
    if (metadata !== undefined && metadata["auth0_user_id"] !== user && !isMoved)
      simulation.auditor.violations.push(`I9: ${user} sees ${id} of ${metadata["auth0_user_id"] ?? "no user"}`);
  }
}

export async function cancelRoute({ call }: Simulation, user: User): Promise<void> {
  await call(user, "POST", "cancel-subscription");
}

export async function resumeRoute({ call }: Simulation, user: User): Promise<void> {
  await call(user, "POST", "resume-subscription");
}

/** Returns the link to the customer portal, or null if the call fails. */
export async function linkToPortal({ call }: Simulation, user: User): Promise<string | null> {
  const response = await call(user, "POST", "create-portal-session");
  return response?.status === 200 ? String(response.body["url"]) : null;
}

/** Cancels or resumes a subscription in the customer portal. */
export async function portal(simulation: Simulation, user: User): Promise<void> {
  const url = await linkToPortal(simulation, user);
  if (url === null) return;
  const action = simulation.scheduler.random.pick(["cancel", "cancel", "resume"]);
  await onSubscription(simulation, user, async (subscription) => {
    const body = new URLSearchParams({ subscription });
    await simulation.emulator.fetch(new Request(`${url}/${action}`, { method: "POST", body }));
  });
}
