/**
 * Returns the primary Stripe customer of a user. Looks for the customer in the database, then searches at Stripe, and otherwise
 * creates a customer.
 */
import { settledGeneration, type OperationRecord } from "../domain/operations.ts";
import { ownerFromKey, ownerKey, userOwner, type BillingOwner } from "../domain/owner.ts";
import { parseStored } from "../domain/stored-json.ts";
import type { User } from "../domain/user.ts";
import { UnavailableError } from "../errors.ts";
import { raiseAlarm } from "../runtime.ts";
import type { NewCustomer } from "../stripe/gateway/gateway.ts";
import type { ActionContext } from "./context.ts";
import { logLeftOut, runOperation, type OperationKind } from "./operation.ts";

export const customerOperation: OperationKind<Omit<NewCustomer, "operationId">, string> = {
  kind: "customer",
  async act({ gateway, runtime }, params, { id, key }) {
    const created = await gateway.createCustomer({ ...params, operationId: id }, key);
    logLeftOut(runtime, created.leftOut, id);
    return created.id;
  },
  lookUp: async ({ gateway }, _params, { id, createdAt, keyEndsAt }) =>
    (await gateway.findCustomerOfOperation(id, { from: createdAt, until: keyEndsAt }))?.id ?? null,
};

/**
 * Maximum number of attempts to find or create the owner's customer. A second attempt to create a customer is needed only if
 * two replicas act for one owner at the same time.
 */
const MAX_ROUNDS = 12;

/**
 * Returns the id of the user's primary Stripe customer. Creates the customer if there is none. Concurrent calls for one user
 * return the same customer. Throws `UnavailableError` if Stripe or the store is unavailable. A failed search at Stripe never
 * counts as "the user has no customer".
 */
export async function ensureCustomer(context: ActionContext, user: User): Promise<string> {
  const owner = userOwner(user.id);
  const linked = await context.store.customers.findPrimaryCustomer(owner);
  if (linked !== null) return linked;
  return context.serialize(`customer:${ownerKey(owner)}`, async () => {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      // The owner's newest operation is loaded first, then the link from the owner to its customer. If another request creates
      // the owner's customer meanwhile, `createCustomer` returns null, and the next attempt finds that customer.
      const operation = await context.store.operations.findCurrent(customerOperation.kind, ownerKey(owner));
      const linkedMeanwhile = await context.store.customers.findPrimaryCustomer(owner);
      if (linkedMeanwhile !== null) return linkedMeanwhile;
      const createdBefore = await createdEarlier(context, owner, operation);
      if (createdBefore !== null) return link(context, owner, createdBefore);
      const found = await searchCustomers(context, owner);
      if (found !== null) return found;
      const created = await createCustomer(context, user, settledGeneration(operation));
      if (created !== null) return link(context, owner, created);
    }
    throw new UnavailableError("operation_in_progress", "Your customer is being created. Retry in a moment.");
  });
}

/**
 * Links the billing owner to the customer that an operation created for the owner. Links the customer only if the customer
 * still exists and the owner has no other customer.
 */
export async function linkCreatedCustomer(context: ActionContext, subject: string): Promise<void> {
  const owner = ownerFromKey(subject);
  const operation = await context.store.operations.findCurrent(customerOperation.kind, subject);
  const created = await createdEarlier(context, owner, operation);
  if (created !== null) await link(context, owner, created);
}

/** Returns the customer that an earlier operation created but, because of a crash, did not link to the owner. */
async function createdEarlier(
  context: ActionContext,
  owner: BillingOwner,
  operation: OperationRecord | null,
): Promise<string | null> {
  const stored = operation?.state === "succeeded" ? operation.result : null;
  const customerId = parseStored(stored) as string | null;
  return customerId === null ? null : confirm(context, owner, customerId);
}

/** Searches Stripe for customers that Tollkeeper did not create, or whose creation event has not arrived yet. */
async function searchCustomers(context: ActionContext, owner: BillingOwner): Promise<string | null> {
  // Stripe's search index lags behind changes of customers. The sync retrieves each customer from Stripe and links it to the
  // owner if the customer's metadata names the owner. The sync of a customer also causes the hooks for access and payments.
  for (const { id } of await context.gateway.searchCustomersOfUser(owner.id))
    await context.sync.object({ object: "customer", id, customerId: id });
  return context.store.customers.findPrimaryCustomer(owner);
}

/**
 * Retrieves the customer from Stripe and returns its id. Returns null if the customer was deleted or belongs to another owner.
 */
async function confirm({ gateway }: ActionContext, owner: BillingOwner, customerId: string): Promise<string | null> {
  const current = (await gateway.retrieveCustomer(customerId))?.customer;
  const isOwn = current?.owner != null && ownerKey(current.owner) === ownerKey(owner);
  return isOwn && !current.deleted ? customerId : null;
}

/** Creates the customer at Stripe. Returns null if another request has meanwhile started a newer operation for the owner. */
async function createCustomer(context: ActionContext, user: User, basedOn: number): Promise<string | null> {
  const outcome = await runOperation(context, customerOperation, {
    subject: ownerKey(userOwner(user.id)),
    basedOn,
    // A name or email from a token may contain an unpaired surrogate (invalid Unicode), which can't be sent to Stripe.
    params: { userId: user.id, email: user.email?.toWellFormed() ?? null, name: user.name?.toWellFormed() ?? null },
  });
  return outcome.kind === "done" ? outcome.result : null;
}

/**
 * Links a customer that an operation created to its owner, if the sync has not linked it meanwhile. Returns the owner's primary
 * customer. Throws `UnavailableError` if the customer is moved to another owner at the same time.
 */
async function link({ store, sync, runtime }: ActionContext, owner: BillingOwner, customerId: string): Promise<string> {
  await store.customers.addLink({ owner, customerId }, runtime.now());
  let customerIds = await store.customers.listCustomersOf(owner);
  if (customerIds.length === 0) {
    // The customer was moved to another owner and back, and the event about the move back has not arrived yet.
    await sync.object({ object: "customer", id: customerId, customerId });
    customerIds = await store.customers.listCustomersOf(owner);
  }
  if (customerIds.length > 1) raiseAlarm(runtime, "two_customers", { customerId, customerIds });
  const [primary] = customerIds;
  if (primary === undefined)
    throw new UnavailableError("operation_in_progress", "Your customer is being changed. Retry in a moment.");
  return primary;
}
