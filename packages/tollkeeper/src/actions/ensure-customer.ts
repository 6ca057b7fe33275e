/** One Stripe customer per user: the local link first, then Stripe's search, then a new one. */
import { settledGeneration, type OperationRecord } from "../domain/operations.ts";
import type { User } from "../domain/user.ts";
import { UnavailableError } from "../errors.ts";
import type { ActionContext } from "./context.ts";
import type { NewCustomer } from "../stripe/gateway/gateway.ts";
import { runOperation, type OperationKind } from "./operation.ts";

export const customerOperation: OperationKind<Omit<NewCustomer, "operationId">, string> = {
  kind: "customer",
  act: async ({ gateway }, params, { id, key }) =>
    (await gateway.createCustomer({ ...params, operationId: id }, key)).id,
  lookUp: async ({ gateway }, _params, { id, createdAt, keyEndsAt }) =>
    (await gateway.findCustomerOfOperation(id, { from: createdAt, until: keyEndsAt }))?.id ?? null,
};
/** Rounds of load and act, when replicas overtake each other. */
const MAX_ROUNDS = 12;

/**
 * Answers the id of the user's Stripe customer, making it where there is none. Calls for one user, at once or on many
 * replicas, end with the same customer. Throws `UnavailableError` when Stripe or the store can't answer: an error of
 * the search is never taken for "none".
 */
export async function ensureCustomer(context: ActionContext, user: User): Promise<string> {
  const linked = await context.store.customers.findCustomerOf(user.id);
  if (linked !== null) return linked;
  return context.serialize(`customer:${user.id}`, async () => {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      // The operation before the link: what another replica makes in between is then newer than what we decide on.
      const operation = await context.store.operations.findCurrent(customerOperation.kind, user.id);
      const again = await context.store.customers.findCustomerOf(user.id);
      if (again !== null) return again;
      const customerId =
        (await madeBefore(context, user.id, operation)) ??
        (await searchCustomer(context, user)) ??
        (await createCustomer(context, user, settledGeneration(operation)));
      if (customerId !== null) return link(context, user.id, customerId);
    }
    throw new UnavailableError("operation_in_progress", "Your customer is being created. Try again in a moment.");
  });
}

/** Links what an operation has made to its user, where it is still there and nobody else is linked. */
export async function linkMadeCustomer(context: ActionContext, userId: string): Promise<void> {
  const operation = await context.store.operations.findCurrent(customerOperation.kind, userId);
  const made = await madeBefore(context, userId, operation);
  if (made !== null) await link(context, userId, made);
}

/** What an earlier operation made, where a crash came before the link. */
async function madeBefore(
  context: ActionContext,
  userId: string,
  operation: OperationRecord | null,
): Promise<string | null> {
  if (operation?.state !== "succeeded" || operation.result === null) return null;
  return confirm(context, userId, JSON.parse(operation.result) as string);
}

/** A customer made before this software came. */
async function searchCustomer(context: ActionContext, user: User): Promise<string | null> {
  for (const found of await context.gateway.searchCustomersOfUser(user.id)) {
    // Its metadata was moved from one user to another by hand: it stays with the one who has paid with it.
    const owner = await context.store.customers.findUserOf(found.id);
    if (owner !== null && owner !== user.id) continue;
    // Search lags behind: the sync looks at what was found, links it if it is so, and tells the app of what it has paid.
    await context.sync.object({ object: "customer", id: found.id, customerId: found.id });
    const linked = await context.store.customers.findCustomerOf(user.id);
    if (linked !== null) return linked;
  }
  return null;
}

/** Customers are deleted: what was made once is looked at before it is believed. */
async function confirm({ gateway }: ActionContext, userId: string, customerId: string): Promise<string | null> {
  const current = await gateway.retrieveCustomer(customerId);
  return current && !current.customer.deleted && current.customer.userId === userId ? customerId : null;
}

/** Null when somebody else has acted meanwhile. */
async function createCustomer(context: ActionContext, user: User, basedOn: number): Promise<string | null> {
  const outcome = await runOperation(context, customerOperation, {
    subject: user.id,
    basedOn,
    // A lone surrogate in a token's claim can't be sent to anybody.
    params: { userId: user.id, email: user.email?.toWellFormed() ?? null, name: user.name?.toWellFormed() ?? null },
  });
  return outcome.kind === "done" ? outcome.result : null;
}

async function link({ store, runtime }: ActionContext, userId: string, customerId: string): Promise<string> {
  await store.customers.link([{ userId, customerId }], runtime.now());
  const linked = await store.customers.findCustomerOf(userId);
  if (linked === null)
    throw new Error(`customer ${customerId} is linked to another user than its metadata says; it was left as it is`);
  return linked;
}
