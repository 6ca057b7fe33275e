/** Finishes operations that a crash left pending, even if the user does not repeat the request. */
import type { OperationRecord } from "../domain/operations.ts";
import { describeError } from "../domain/log-text.ts";
import { TollkeeperError } from "../errors.ts";
import { changeOperation } from "./change-subscription.ts";
import type { ActionContext } from "./context.ts";
import { checkoutOperation, expiryOperation } from "./create-checkout-session.ts";
import { portalOperation } from "./create-portal-session.ts";
import { customerOperation, linkCreatedCustomer } from "./ensure-customer.ts";
import { finishOperation, type OperationKind } from "./operation.ts";

/** Age in milliseconds of a pending operation at which the request that started it has certainly given up. */
const ABANDONED_AFTER_MS = 120_000;
/** Maximum number of pending operations that one call of the function `finishOperations` finishes. */
const MAX_PER_ROUND = 20;

const KINDS = new Map(
  [changeOperation, checkoutOperation, customerOperation, expiryOperation, portalOperation].map((kind) => [
    kind.kind,
    kind as OperationKind<unknown, unknown>,
  ]),
);

/**
 * Creates a function that finishes pending operations and returns the number of finished operations. An operation that can't be
 * finished in one call of the function stays pending. The next call starts with the operation after the unfinished one, so that
 * the unfinished operation does not block the others.
 */
export function createFinishOperations(context: ActionContext): () => Promise<number> {
  const { store, runtime } = context;
  let last: OperationRecord | null = null;
  return async () => {
    const pending = await store.operations.listPending(runtime.now() - ABANDONED_AFTER_MS, last, MAX_PER_ROUND);
    last = pending.length < MAX_PER_ROUND ? null : (pending.at(-1) ?? null);
    let finished = 0;
    for (const operation of pending) if (await finish(context, operation)) finished += 1;
    return finished;
  };
}

async function finish(context: ActionContext, operation: OperationRecord): Promise<boolean> {
  const { runtime } = context;
  const kind = KINDS.get(operation.kind);
  if (!kind) return false;
  try {
    await context.serialize(`${operation.kind}:${operation.subject}`, () => finishOperation(context, kind, operation));
    if (kind.kind === customerOperation.kind) await linkCustomer(context, operation);
    return true;
  } catch (error) {
    const refused = error instanceof TollkeeperError && !error.retryable;
    const fields = { operationId: operation.id, kind: operation.kind, error: describeError(error) };
    if (refused) runtime.log.info(fields, "Stripe refused a pending operation; it is not retried");
    else runtime.log.warn(fields, "failed to finish a pending operation; retrying later");
    return false;
  }
}

/**
 * After an operation has created a customer, links the customer to its billing owner. Without the function `linkCustomer`, a
 * customer whose creation was interrupted would be linked to its owner only at the user's next request.
 */
async function linkCustomer(context: ActionContext, { id, subject }: OperationRecord): Promise<void> {
  await linkCreatedCustomer(context, subject).catch((error: unknown) => {
    const fields = { operationId: id, error: describeError(error) };
    context.runtime.log.warn(fields, "failed to link a customer to its user; the user's next request links it");
  });
}
