/**
 * Runs an operation (one intended change at Stripe), so that it takes effect once despite retries, crashes and other replicas.
 */
import { createHash } from "node:crypto";
import {
  canonicalJson,
  decideOperation,
  IDEMPOTENCY_KEY_LIFETIME_MS,
  isEmptyListConclusive,
  type OperationRecord,
} from "../domain/operations.ts";
import { parseStored } from "../domain/stored-json.ts";
import { ConflictError, TollkeeperError, UnavailableError } from "../errors.ts";
import type { OperationKey } from "../stripe/limits/operation-key.ts";
import type { Runtime } from "../runtime.ts";
import type { ActionContext } from "./context.ts";

/** Defines one kind of operation: how to send its request to Stripe, and how to find the effect of an earlier attempt. */
export interface OperationKind<Params, Result> {
  kind: string;
  /**
   * Milliseconds during which a pending operation is repeated with its idempotency key. The default is the time for which
   * Stripe keeps idempotency keys.
   */
  keyLifetimeMs?: number;
  /**
   * Sends the operation's request to Stripe. `params` come from the stored row, so that any replica can finish the operation.
   */
  act(
    context: ActionContext,
    params: Params,
    operation: { id: string; key: OperationKey; subject: string },
  ): Promise<Result>;
  /**
   * Finds the effect of an earlier attempt at Stripe after the attempt's idempotency key has expired. If a kind of operation
   * has no function `lookUp`, its request is sent again.
   */
  lookUp?(
    context: ActionContext,
    params: Params,
    operation: { id: string; createdAt: number; keyEndsAt: number },
  ): Promise<Result | null>;
  /** Counts the operation. Called once, by the process that records the success. */
  onSucceeded?(context: ActionContext): void;
}

export interface Intent<Params> {
  /**
   * The billing owner or the Stripe object that the operation changes. At most one operation of each kind is pending for one
   * owner or object.
   */
  subject: string;
  /** Parameters of the request to Stripe. The parameters are stored until the outcome of the request to Stripe is known. */
  params: Params;
  /**
   * Sequence number of the newest operation at the time when the caller decided to start an operation. If an operation with a
   * higher sequence number exists, another caller has started that operation meanwhile.
   */
  basedOn?: number;
}

export type OperationOutcome<Result> = { kind: "done"; result: Result } | { kind: "overtaken" };

/**
 * Maximum number of attempts to run an operation in one call. The first attempt to run an operation may do no more than finish
 * an earlier operation of the owner or object. Between two attempts to run an operation, other replicas may also act.
 */
const MAX_ROUNDS = 12;

export async function runOperation<Params, Result>(
  context: ActionContext,
  kind: OperationKind<Params, Result>,
  intent: Intent<Params>,
): Promise<OperationOutcome<Result>> {
  const { store, runtime } = context;
  const params = canonicalJson(intent.params);
  const fingerprint = fingerprintOf(intent.params);
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const current = await store.operations.findCurrent(kind.kind, intent.subject);
    const decision = decideOperation(current, runtime.now());
    if (decision === "begin") {
      const generation = current?.generation ?? 0;
      if (intent.basedOn !== undefined && generation > intent.basedOn) return { kind: "overtaken" };
      const operation = newOperation(context, kind, {
        subject: intent.subject,
        params,
        fingerprint,
        generation: generation + 1,
      });
      if (!(await store.operations.begin(operation))) continue;
      return { kind: "done", result: await send(context, kind, operation) };
    }
    if (current === null) continue;
    const result = await resume(context, kind, current, decision);
    if (current.fingerprint === fingerprint) return { kind: "done", result };
    if (intent.basedOn !== undefined) return { kind: "overtaken" };
  }
  throw inProgress();
}

/** Returns a short text that is equal for equal parameters. */
export function fingerprintOf(params: unknown): string {
  return createHash("sha256").update(canonicalJson(params)).digest("hex");
}

/**
 * Logs the names of optional fields that an operation leaves out because Stripe does not accept their values. Never logs the
 * values, which are personal data.
 */
export function logLeftOut({ log }: Pick<Runtime, "log">, fields: readonly string[], operationId: string): void {
  if (fields.length > 0)
    log.warn({ operationId, fields }, "left out optional fields that Stripe does not accept; the operation continues");
}

function inProgress(): UnavailableError {
  return new UnavailableError(
    "operation_in_progress",
    "Another change of this kind is in progress. Retry in a moment.",
  );
}

function outcomeUnknown(): UnavailableError {
  const message = "Stripe does not show yet if an earlier request had an effect. Retry in a few minutes.";
  return new UnavailableError("operation_in_progress", message);
}

/** Runs an operation whose parameters do not depend on earlier operations. */
export async function runSimpleOperation<Params, Result>(
  context: ActionContext,
  kind: OperationKind<Params, Result>,
  intent: Omit<Intent<Params>, "basedOn">,
): Promise<Result> {
  const outcome = await runOperation(context, kind, intent);
  if (outcome.kind === "overtaken") throw new Error("an operation without basedOn was overtaken");
  return outcome.result;
}

/** Finishes a pending operation with its stored parameters. Throws `UnavailableError` if Stripe is unavailable. */
export async function finishOperation<Params, Result>(
  context: ActionContext,
  kind: OperationKind<Params, Result>,
  operation: OperationRecord,
): Promise<void> {
  const decision = decideOperation(operation, context.runtime.now());
  if (decision !== "begin") await resume(context, kind, operation, decision);
}

/**
 * Finishes the pending operation of a subject (an owner or an object). If Stripe refuses the operation's request, the operation
 * is finished, too. Returns false if no operation is pending.
 */
export async function finishPending<Params, Result>(
  context: ActionContext,
  kind: OperationKind<Params, Result>,
  subject: string,
): Promise<boolean> {
  const current = await context.store.operations.findCurrent(kind.kind, subject);
  if (current?.state !== "pending") return false;
  await finishOperation(context, kind, current).catch((error: unknown) => {
    if (!(error instanceof TollkeeperError) || error.retryable) throw error;
  });
  return true;
}

function newOperation<Params, Result>(
  context: ActionContext,
  kind: OperationKind<Params, Result>,
  fields: Pick<OperationRecord, "subject" | "params" | "fingerprint" | "generation">,
): OperationRecord {
  const id = `op_${context.runtime.newId()}`;
  return { ...fields, id, kind: kind.kind, state: "pending", result: null, ...newKey(context, kind, id) };
}

function newKey<Params, Result>(
  { runtime }: ActionContext,
  { keyLifetimeMs = IDEMPOTENCY_KEY_LIFETIME_MS }: OperationKind<Params, Result>,
  idempotencyKey: string,
): Pick<OperationRecord, "idempotencyKey" | "createdAt" | "keyEndsAt"> {
  const createdAt = runtime.now();
  return { idempotencyKey, createdAt, keyEndsAt: createdAt + keyLifetimeMs };
}

/** Finishes an operation that an earlier call or another replica left pending. */
async function resume<Params, Result>(
  context: ActionContext,
  kind: OperationKind<Params, Result>,
  operation: OperationRecord,
  decision: "retry" | "look_up",
): Promise<Result> {
  if (parseStored(operation.params) === null) return failUnreadable(context, operation);
  if (decision === "look_up") return lookUpOrActAgain(context, kind, operation);
  try {
    return await send(context, kind, operation);
  } catch (error) {
    // Stripe has stored a failure under this idempotency key and always returns the failure, so the operation needs a new key.
    if (!(error instanceof UnavailableError && error.settled)) throw error;
    const keyEndsAt = context.runtime.now();
    await context.store.operations.endKey({ ...operation, keyEndsAt });
    return lookUpOrActAgain(context, kind, { ...operation, keyEndsAt });
  }
}

/**
 * Ends an operation whose stored parameters are damaged, so that it does not block the next operation of its subject. Throws an
 * error that asks the caller to repeat the request.
 */
async function failUnreadable({ store, runtime }: ActionContext, { id, kind }: OperationRecord): Promise<never> {
  const message = `The stored parameters of operation ${id} are damaged, so it was ended. Send the request again.`;
  runtime.log.error({ operationId: id, kind }, "an operation's stored parameters are damaged; the operation is ended");
  await store.operations.finish(id, "failed", JSON.stringify({ code: "operation_in_progress" }), runtime.now());
  throw new ConflictError("operation_in_progress", message, {
    userMessage: "Your last request was not completed. Please try again.",
  });
}

async function lookUpOrActAgain<Params, Result>(
  context: ActionContext,
  kind: OperationKind<Params, Result>,
  operation: OperationRecord,
): Promise<Result> {
  const { store, runtime } = context;
  if (kind.lookUp) {
    const searchedAt = runtime.now();
    const found = await kind.lookUp(context, JSON.parse(operation.params ?? "null") as Params, operation);
    if (found !== null) {
      await recordSuccess(context, kind, operation, found);
      return found;
    }
    if (!isEmptyListConclusive(operation, searchedAt)) throw outcomeUnknown();
  }
  const { id, idempotencyKey: from } = operation;
  const replaced = newKey(context, kind, `${id}_${runtime.newId()}`);
  if (!(await store.operations.replaceKey({ id, from, ...replaced }))) throw inProgress();
  return send(context, kind, { ...operation, ...replaced });
}

async function recordSuccess<Params, Result>(
  context: ActionContext,
  kind: OperationKind<Params, Result>,
  { id }: OperationRecord,
  result: Result,
): Promise<void> {
  const { store, runtime } = context;
  const isFirst = await store.operations.finish(id, "succeeded", JSON.stringify(result ?? null), runtime.now());
  if (isFirst) kind.onSucceeded?.(context);
}

async function send<Params, Result>(
  context: ActionContext,
  kind: OperationKind<Params, Result>,
  operation: OperationRecord,
): Promise<Result> {
  const { store, runtime } = context;
  // The machine may have slept since the last check that the idempotency key is still valid, so the check is repeated.
  if (runtime.now() >= operation.keyEndsAt) throw inProgress();
  try {
    const result = await kind.act(context, JSON.parse(operation.params ?? "null") as Params, {
      id: operation.id,
      key: { value: operation.idempotencyKey, endsAt: operation.keyEndsAt },
      subject: operation.subject,
    });
    await recordSuccess(context, kind, operation, result);
    runtime.log.info({ operationId: operation.id, kind: operation.kind }, "operation succeeded");
    return result;
  } catch (error) {
    // If Stripe refused the request, the operation has failed and is not repeated. After any error other than a refusal by
    // Stripe, the request may have taken effect, so the operation stays pending.
    if (error instanceof TollkeeperError && !error.retryable)
      await store.operations.finish(operation.id, "failed", JSON.stringify({ code: error.code }), runtime.now());
    throw error;
  }
}
