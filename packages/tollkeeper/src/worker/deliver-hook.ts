/** Runs the app's hook function for a message of the outbox, and posts the message to `HOOKS_URL` if this option is set. */
import { createHmac } from "node:crypto";
import { HOOK_NAMES, type HookName, type Hooks } from "../domain/hooks.ts";
import { UnreadableRowError } from "../domain/unreadable-row.ts";
import type { OutboxMessage } from "../store/queue/outbox.ts";

export type HookMessage = Omit<OutboxMessage, "owner">;

/**
 * The HTTP endpoint that receives each hook as a POST.
 * @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
export interface HookTarget {
  url: string;
  /** Secret that signs the requests: `whsec_` and base64. */
  secret: string;
  fetch: typeof fetch;
  /** Returns wall time in epoch milliseconds, because receivers compare a signature's timestamp with their own clocks. */
  now(): number;
}

export interface DeliverHook {
  (message: HookMessage, signal: AbortSignal): Promise<void>;
  /** The hooks that this process can deliver: those with a function, or all if `HOOKS_URL` is set. */
  readonly hooks: readonly string[];
}

const TYPES: Record<HookName, string> = {
  onAccessGranted: "access.granted",
  onAccessRevoked: "access.revoked",
  onPaymentSucceeded: "payment.succeeded",
  onPaymentFailed: "payment.failed",
  onPaymentActionRequired: "payment.action_required",
  onTrialStarted: "trial.started",
  onTrialWillEnd: "trial.will_end",
  onRefund: "payment.refunded",
  onDispute: "payment.disputed",
};

/**
 * Creates the function that runs a hook or posts it to the app's endpoint. The function that delivers a hook rejects if the
 * hook throws or `HOOKS_URL` does not return 2xx.
 */
export function createDeliverHook(hooks: Hooks, target: HookTarget | null): DeliverHook {
  const deliver = async (message: HookMessage, signal: AbortSignal): Promise<void> => {
    const name = message.hook as HookName;
    const hook = hooks[name] as ((event: unknown) => void | Promise<void>) | undefined;
    await hook?.(readPayload(message));
    if (target && TYPES[name]) await post(target, TYPES[name], message, signal);
  };
  return Object.assign(deliver, {
    hooks: target ? HOOK_NAMES : HOOK_NAMES.filter((name) => hooks[name] !== undefined),
  });
}

function readPayload({ payload }: HookMessage): unknown {
  try {
    return JSON.parse(payload);
  } catch (cause) {
    throw new UnreadableRowError(
      "The hook's payload is not valid JSON. Correct or delete its row of the table outbox.",
      {
        cause,
      },
    );
  }
}

async function post(target: HookTarget, type: string, message: HookMessage, signal: AbortSignal): Promise<void> {
  const timestamp = Math.floor(target.now() / 1_000);
  const data = readPayload(message);
  const body = JSON.stringify({ type, timestamp: new Date(message.createdAt).toISOString(), data });
  const key = Buffer.from(target.secret.replace(/^whsec_/, ""), "base64");
  const signature = createHmac("sha256", key).update(`${message.id}.${timestamp}.${body}`).digest("base64");
  const response = await target.fetch(target.url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "webhook-id": message.id,
      "webhook-timestamp": String(timestamp),
      "webhook-signature": `v1,${signature}`,
    },
    body,
    redirect: "manual",
    signal,
  });
  await response.body?.cancel();
  if (response.status < 200 || response.status > 299)
    throw new Error(`HOOKS_URL returned ${response.status} to ${type}`);
}
