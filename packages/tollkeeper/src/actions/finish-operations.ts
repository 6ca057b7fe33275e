/** Finishes what a crash has left unfinished towards Stripe, though nobody comes back to ask for it. */
import type { OperationRecord } from "../domain/operations.ts";
import { TollkeeperError } from "../errors.ts";
import { changeOperation } from "./change-subscription.ts";
import type { ActionContext } from "./context.ts";
import { checkoutOperation, expiryOperation } from "./create-checkout-session.ts";
import { portalOperation } from "./create-portal-session.ts";
import { customerOperation, linkMadeCustomer } from "./ensure-customer.ts";
import { finishOperation, type OperationKind } from "./operation.ts";

/** Whoever began it has given it up by then. */
const LEFT_AFTER_MS = 120_000;
/** Of one round. */
const AT_ONCE = 20;

const KINDS = new Map(
  [changeOperation, checkoutOperation, customerOperation, expiryOperation, portalOperation].map((kind) => [
    kind.kind,
    kind as OperationKind<unknown, unknown>,
  ]),
);

/**
 * Answers a round of it, which answers how many were finished. What Stripe can't answer now is left for a later round; the
 * next one goes on after it, so that what can't be finished keeps nothing else waiting.
 */
export function createFinishOperations(context: ActionContext): () => Promise<number> {
  const { store, runtime } = context;
  let last: OperationRecord | null = null;
  return async () => {
    const left = await store.operations.listPending(runtime.now() - LEFT_AFTER_MS, last, AT_ONCE);
    last = left.length < AT_ONCE ? null : (left.at(-1) ?? null);
    let finished = 0;
    for (const operation of left) if (await finish(context, operation)) finished += 1;
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
    const fields = { operationId: operation.id, kind: operation.kind, error: String(error) };
    if (refused) runtime.log.info(fields, "an unfinished operation was refused, which ends it");
    else runtime.log.warn(fields, "an unfinished operation could not be finished; it will be");
    return false;
  }
}

/** A customer that nobody is linked to would be found by its user's next request alone, which links it where this can't. */
async function linkCustomer(context: ActionContext, { id, subject }: OperationRecord): Promise<void> {
  await linkMadeCustomer(context, subject).catch((error: unknown) => {
    const fields = { operationId: id, error: String(error) };
    context.runtime.log.warn(fields, "a customer could not be linked now; its user's next request does it");
  });
}
