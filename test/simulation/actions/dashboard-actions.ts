/** Defines the actions that people perform in Stripe's dashboard. */
import type { Simulation } from "../simulation.ts";
import { USERS, type User } from "./action.ts";
import { customersOf, list, onSubscription, subscriptionsOf } from "./lists.ts";

export async function dashboardCancel(simulation: Simulation, user: User): Promise<void> {
  await onSubscription(simulation, user, (id) => simulation.stripe("DELETE", `/v1/subscriptions/${id}`));
}

export async function dashboardEnd(simulation: Simulation, user: User): Promise<void> {
  await onSubscription(simulation, user, (id) =>
    simulation.stripe("POST", `/v1/subscriptions/${id}`, { cancel_at_period_end: "true" }),
  );
}

export async function changePlan(simulation: Simulation, user: User): Promise<void> {
  const { random } = simulation.scheduler;
  const prices = await list(simulation, "/v1/prices");
  await onSubscription(simulation, user, (id, subscription) => {
    const [item] = (subscription["items"] as { data: { id: string }[] }).data;
    return simulation.stripe("POST", `/v1/subscriptions/${id}`, {
      "items[0][id]": item?.id ?? "",
      "items[0][price]": String(random.pick(prices)["id"]),
      proration_behavior: random.pick(["none", "create_prorations", "always_invoice"]),
    });
  });
}

export async function dashboardSubscription(simulation: Simulation, user: User): Promise<void> {
  const customer = (await customersOf(simulation, user))[0];
  const prices = await list(simulation, "/v1/prices");
  if (!customer) return;
  await simulation.stripe("POST", "/v1/subscriptions", {
    customer: String(customer["id"]),
    "items[0][price]": String(simulation.scheduler.random.pick(prices)["id"]),
    trial_period_days: "5",
  });
}

/**
 * Creates more subscriptions than one page of the simulation's short Stripe lists contains. Cancels either one of the user's
 * subscriptions, or all of them except the oldest one.
 */
export async function dashboardMany(simulation: Simulation, user: User): Promise<void> {
  for (let count = 0; count < 4; count += 1) await dashboardSubscription(simulation, user);
  if (simulation.scheduler.random.happens(0.5)) await dashboardCancel(simulation, user);
  else await cancelAll(simulation, user, { keep: 1 });
}

/** Cancels all subscriptions of a user except the `keep` oldest ones. */
export async function cancelAll(simulation: Simulation, user: User, { keep }: { keep: number }): Promise<void> {
  const live = await subscriptionsOf(simulation, user);
  for (const { id } of live.slice(0, live.length - keep))
    await simulation.stripe("DELETE", `/v1/subscriptions/${String(id)}`);
}

/** Creates a customer that belongs to no user, and a subscription of this customer. */
export async function dashboardCustomer(simulation: Simulation): Promise<void> {
  const { body } = await simulation.stripe("POST", "/v1/customers", { name: "By hand" });
  const price = (await list(simulation, "/v1/prices"))[0];
  await simulation.stripe("POST", "/v1/subscriptions", {
    customer: String(body["id"]),
    "items[0][price]": String(price?.["id"]),
    trial_period_days: "3",
  });
}

export async function deleteCustomer(simulation: Simulation, user: User): Promise<void> {
  const customer = (await customersOf(simulation, user))[0];
  if (customer) await simulation.stripe("DELETE", `/v1/customers/${String(customer["id"])}`);
}

export async function goodCard(simulation: Simulation, user: User): Promise<void> {
  await setDefaultCard(simulation, user, "pm_card_visa");
}

export async function badCard(simulation: Simulation, user: User): Promise<void> {
  await setDefaultCard(simulation, user, "pm_card_chargeCustomerFail");
}

async function setDefaultCard(simulation: Simulation, user: User, token: string): Promise<void> {
  const customer = (await customersOf(simulation, user))[0];
  if (!customer) return;
  const id = String(customer["id"]);
  const { body } = await simulation.stripe("POST", `/v1/payment_methods/${token}/attach`, { customer: id });
  const card = String(body["id"]);
  await simulation.stripe("POST", `/v1/customers/${id}`, { "invoice_settings[default_payment_method]": card });
  await onSubscription(simulation, user, (subscription) =>
    simulation.stripe("POST", `/v1/subscriptions/${subscription}`, { default_payment_method: card }),
  );
}

/** Refunds a payment of the user, in full or in part. */
export async function refund(simulation: Simulation, user: User): Promise<void> {
  const { random } = simulation.scheduler;
  const charge = await paidCharge(simulation, user);
  if (!charge) return;
  const part = { amount: String(1 + random.below(Math.max(1, Number(charge["amount"]) - 1))) };
  await simulation.stripe("POST", "/v1/refunds", { charge: String(charge["id"]), ...(random.happens(0.4) && part) });
}

/** The user's bank disputes a payment. */
export async function dispute(simulation: Simulation, user: User): Promise<void> {
  const charge = await paidCharge(simulation, user);
  const reason = simulation.scheduler.random.pick(["fraudulent", "product_not_received", "inquiry"]);
  if (charge) await simulation.control("disputes", { charge: String(charge["id"]), reason });
}

/** The bank decides a dispute of any user. */
export async function decideDispute(simulation: Simulation): Promise<void> {
  const { random } = simulation.scheduler;
  const disputes = await list(simulation, "/v1/disputes");
  if (disputes.length === 0) return;
  const status = random.pick(["won", "won", "lost", "under_review"]);
  await simulation.control("disputes/decide", { dispute: String(random.pick(disputes)["id"]), status });
}

async function paidCharge(simulation: Simulation, user: User): Promise<Record<string, unknown> | undefined> {
  const owners = new Set((await customersOf(simulation, user)).map((customer) => customer["id"]));
  const charges = await list(simulation, "/v1/charges");
  return charges.find((one) => one["paid"] === true && owners.has(one["customer"]));
}

/** Pauses the collection of payments of a subscription, or resumes it. */
export async function pauseCollection(simulation: Simulation, user: User): Promise<void> {
  const { random } = simulation.scheduler;
  await onSubscription(simulation, user, (id, subscription) => {
    const behavior = random.pick(["void", "mark_uncollectible", "keep_as_draft"]);
    const isPaused = subscription["pause_collection"] !== null;
    const params =
      isPaused && random.happens(0.7) ? { pause_collection: "" } : { "pause_collection[behavior]": behavior };
    return simulation.stripe("POST", `/v1/subscriptions/${id}`, params);
  });
}

/** Support creates another customer for a user, often with a subscription. */
export async function secondCustomer(simulation: Simulation, user: User): Promise<void> {
  const { random } = simulation.scheduler;
  const { body } = await simulation.stripe("POST", "/v1/customers", { "metadata[auth0_user_id]": user });
  if (random.happens(0.3)) return;
  const prices = await list(simulation, "/v1/prices");
  await simulation.stripe("POST", "/v1/subscriptions", {
    customer: String(body["id"]),
    "items[0][price]": String(random.pick(prices)["id"]),
    trial_period_days: "5",
  });
}

/** Support moves a customer to another user. */
export async function moveCustomer(simulation: Simulation, user: User): Promise<void> {
  const { random } = simulation.scheduler;
  const customers = await customersOf(simulation, user);
  if (customers.length === 0) return;
  await simulation.stripe("POST", `/v1/customers/${String(random.pick(customers)["id"])}`, {
    "metadata[auth0_user_id]": random.pick(USERS.filter((other) => other !== user)),
  });
}

export async function payInvoice(simulation: Simulation, user: User): Promise<void> {
  const owners = new Set((await customersOf(simulation, user)).map((customer) => customer["id"]));
  const open = (await list(simulation, "/v1/invoices")).find(
    (one) => one["status"] === "open" && owners.has(one["customer"]),
  );
  if (!open) return;
  const { body } = await simulation.stripe("POST", "/v1/payment_methods/pm_card_visa/attach", {
    customer: String(open["customer"]),
  });
  await simulation.stripe("POST", `/v1/invoices/${String(open["id"])}/pay`, { payment_method: String(body["id"]) });
}

export async function renameProduct(simulation: Simulation): Promise<void> {
  const products = await list(simulation, "/v1/products");
  const { random } = simulation.scheduler;
  await simulation.stripe("POST", `/v1/products/${String(random.pick(products)["id"])}`, {
    name: `Name ${random.below(9)}`,
  });
}
