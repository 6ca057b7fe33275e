/** Hands an outbox message to the app: to its own hook, and as a signed POST where it has given an address. */
import { createHmac } from "node:crypto";
import type { HookName, Hooks } from "../domain/hooks.ts";
import type { OutboxMessage } from "../store/queue/outbox.ts";

/** Where hooks are posted to. @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md */
export interface HookTarget {
  url: string;
  /** `whsec_` and base64. */
  secret: string;
  fetch: typeof fetch;
  /** Wall time, epoch milliseconds: signatures are checked against real clocks. */
  now(): number;
}

export type DeliverHook = (message: OutboxMessage, signal: AbortSignal) => Promise<void>;

const TYPES: Record<HookName, string> = {
  onAccessGranted: "access.granted",
  onAccessRevoked: "access.revoked",
  onPaymentSucceeded: "payment.succeeded",
  onPaymentFailed: "payment.failed",
  onPaymentActionRequired: "payment.action_required",
  onTrialWillEnd: "trial.will_end",
};

/** What it answers throws what the hook throws, and where the address does not answer 2xx; without either all is done. */
export function createDeliverHook(hooks: Hooks, target: HookTarget | null): DeliverHook {
  return async (message, signal) => {
    const name = message.hook as HookName;
    const hook = hooks[name] as ((event: unknown) => void | Promise<void>) | undefined;
    await hook?.(JSON.parse(message.payload));
    if (target && TYPES[name]) await post(target, TYPES[name], message, signal);
  };
}

async function post(target: HookTarget, type: string, message: OutboxMessage, signal: AbortSignal): Promise<void> {
  const timestamp = Math.floor(target.now() / 1_000);
  const data = JSON.parse(message.payload) as unknown;
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
    throw new Error(`the hooks' address answered ${response.status} to ${type}`);
}
