/** Runs one intent towards Stripe so that a retry, a crash or a second replica ends with the same single effect. */
import { createHash } from "node:crypto";
import {
  canonicalJson,
  decideOperation,
  IDEMPOTENCY_KEY_LIFETIME_MS,
  showsNothing,
  type OperationRecord,
} from "../domain/operations.ts";
import { TollkeeperError, UnavailableError } from "../errors.ts";
import type { OperationKey } from "../stripe/limits/operation-key.ts";
import type { ActionContext } from "./context.ts";

/** One kind of intent: what it does at Stripe, and how an earlier try's effect is found. */
export interface OperationKind<Params, Result> {
  kind: string;
  /** How long an unfinished one is asked for again under its own key. Default: as long as Stripe keeps keys. */
  keyLifetimeMs?: number;
  /** `params` are those that were kept, so that anybody can finish it. */
  act(
    context: ActionContext,
    params: Params,
    operation: { id: string; key: OperationKey; subject: string },
  ): Promise<Result>;
  /** Finds what an earlier try led to, when its key no longer tells. Absent where it is acted again without that. */
  lookUp?(
    context: ActionContext,
    params: Params,
    operation: { id: string; createdAt: number; keyEndsAt: number },
  ): Promise<Result | null>;
}

export interface Intent<Params> {
  /** Whose intent it is: at most one operation of a kind and subject is under way. */
  subject: string;
  /** Decides what happens at Stripe; kept until the outcome is known. */
  params: Params;
  /** The newest generation that the caller's decision rests on: a newer one means that somebody else has acted. */
  basedOn?: number;
}

export type OperationOutcome<Result> = { kind: "done"; result: Result } | { kind: "overtaken" };

/** An unfinished older intent of the same subject, then ours, and some room for a second replica doing the same. */
const MAX_ROUNDS = 12;

export async function runOperation<Params, Result>(
  context: ActionContext,
  kind: OperationKind<Params, Result>,
  intent: Intent<Params>,
): Promise<OperationOutcome<Result>> {
  const { store, runtime } = context;
  const params = canonicalJson(intent.params);
  const fingerprint = createHash("sha256").update(params).digest("hex");
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
      return { kind: "done", result: await carryOut(context, kind, operation) };
    }
    if (current === null) continue;
    const result = await resume(context, kind, current, decision);
    if (current.fingerprint === fingerprint) return { kind: "done", result };
    if (intent.basedOn !== undefined) return { kind: "overtaken" };
  }
  throw inProgress();
}

function inProgress(wait = "a moment"): UnavailableError {
  return new UnavailableError("operation_in_progress", `The same request is being worked on. Try again in ${wait}.`);
}

/** For intents on which no earlier decision rests. */
export async function runSimpleOperation<Params, Result>(
  context: ActionContext,
  kind: OperationKind<Params, Result>,
  intent: Omit<Intent<Params>, "basedOn">,
): Promise<Result> {
  const outcome = await runOperation(context, kind, intent);
  if (outcome.kind === "overtaken") throw new Error("an operation without a base can't be overtaken");
  return outcome.result;
}

/** Finishes an operation that somebody has left pending, under its own parameters. Throws where Stripe can't answer now. */
export async function finishOperation<Params, Result>(
  context: ActionContext,
  kind: OperationKind<Params, Result>,
  operation: OperationRecord,
): Promise<void> {
  const decision = decideOperation(operation, context.runtime.now());
  if (decision !== "begin") await resume(context, kind, operation, decision);
}

/** As `finishOperation` for a subject's unfinished one, whose refusal is an outcome too; false where there is none. */
export async function finishLeftOver<Params, Result>(
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

/** Finishes what an earlier call, or another replica, has left pending. */
async function resume<Params, Result>(
  context: ActionContext,
  kind: OperationKind<Params, Result>,
  operation: OperationRecord,
  decision: "retry" | "look_up",
): Promise<Result> {
  if (decision === "look_up") return lookUpOrActAgain(context, kind, operation);
  try {
    return await carryOut(context, kind, operation);
  } catch (error) {
    // Stripe has stored a failure under this key and will only repeat it: that must not lock the user out.
    if (!(error instanceof UnavailableError && error.settled)) throw error;
    const keyEndsAt = context.runtime.now();
    await context.store.operations.endKey({ ...operation, keyEndsAt });
    return lookUpOrActAgain(context, kind, { ...operation, keyEndsAt });
  }
}

async function lookUpOrActAgain<Params, Result>(
  context: ActionContext,
  kind: OperationKind<Params, Result>,
  operation: OperationRecord,
): Promise<Result> {
  const { store, runtime } = context;
  if (kind.lookUp) {
    const askedAt = runtime.now();
    const found = await kind.lookUp(context, JSON.parse(operation.params ?? "null") as Params, operation);
    if (found !== null) {
      await store.operations.finish(operation.id, "succeeded", JSON.stringify(found), runtime.now());
      return found;
    }
    if (!showsNothing(operation, askedAt)) throw inProgress("a few minutes");
  }
  const { id, idempotencyKey: from } = operation;
  const replaced = newKey(context, kind, `${id}_${runtime.newId()}`);
  if (!(await store.operations.replaceKey({ id, from, ...replaced }))) throw inProgress();
  return carryOut(context, kind, { ...operation, ...replaced });
}

async function carryOut<Params, Result>(
  context: ActionContext,
  kind: OperationKind<Params, Result>,
  operation: OperationRecord,
): Promise<Result> {
  const { store, runtime } = context;
  // Time has passed since it was decided on, a night perhaps where the machine slept.
  if (runtime.now() >= operation.keyEndsAt) throw inProgress();
  try {
    const result = await kind.act(context, JSON.parse(operation.params ?? "null") as Params, {
      id: operation.id,
      key: { value: operation.idempotencyKey, endsAt: operation.keyEndsAt },
      subject: operation.subject,
    });
    await store.operations.finish(operation.id, "succeeded", JSON.stringify(result ?? null), runtime.now());
    runtime.log.info({ operationId: operation.id, kind: operation.kind }, "operation done");
    return result;
  } catch (error) {
    // A refusal is an outcome. Anything else may or may not have happened, and the row stays to be finished.
    if (error instanceof TollkeeperError && !error.retryable)
      await store.operations.finish(operation.id, "failed", JSON.stringify({ code: error.code }), runtime.now());
    throw error;
  }
}
