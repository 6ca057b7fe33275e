/** Reads Stripe's lists of objects, as a person does in Stripe's dashboard. */
import type { Simulation } from "../simulation.ts";
import { USERS, type User } from "./action.ts";

type Row = Record<string, unknown>;

/** Returns the newest 100 objects of a Stripe list, newest first. Returns an empty list if Stripe's response is an error. */
export async function list(simulation: Simulation, path: string): Promise<Row[]> {
  const { body } = await simulation.stripe("GET", path, { limit: "100" });
  return (body["data"] as Row[] | undefined) ?? [];
}

export async function customersOf(simulation: Simulation, user: User): Promise<Row[]> {
  return (await list(simulation, "/v1/customers")).filter(
    (customer) => (customer["metadata"] as Record<string, string>)["auth0_user_id"] === user,
  );
}

export async function subscriptionsOf(simulation: Simulation, user: User): Promise<Row[]> {
  const customers = new Set((await customersOf(simulation, user)).map((customer) => customer["id"]));
  return (await list(simulation, "/v1/subscriptions")).filter((subscription) =>
    customers.has(subscription["customer"]),
  );
}

/**
 * Calls the function `act` with the user's newest or oldest subscription. Does not call the function `act` if the user has no
 * subscription.
 */
export async function onSubscription(
  simulation: Simulation,
  user: User,
  act: (id: string, subscription: Row) => Promise<unknown>,
): Promise<void> {
  const subscription = simulation.scheduler.random.happens(0.5)
    ? (await subscriptionsOf(simulation, user))[0]
    : (await subscriptionsOf(simulation, user)).at(-1);
  if (subscription) await act(String(subscription["id"]), subscription);
}

/**
 * Returns a user with a live subscription. If no user has a live subscription, returns a user with a customer. If no user has a
 * customer, returns the user in the argument `user`.
 */
export function pickCustomer({ emulator, scheduler }: Simulation, user: User): User {
  const tables = emulator.snapshot().accounts.get("123")?.tables;
  const owners = new Map<string, string | undefined>();
  for (const customer of tables?.customer.values() ?? [])
    if ("metadata" in customer) owners.set(customer.id, customer.metadata["auth0_user_id"]);
  const live = [...(tables?.subscription.values() ?? [])].filter(({ status }) => status !== "canceled");
  const subscribed = new Set(live.map(({ customer }) => owners.get(customer)));
  const known = USERS.filter((one) => (subscribed.size > 0 ? subscribed : new Set(owners.values())).has(one));
  return known.length > 0 ? scheduler.random.pick(known) : user;
}
