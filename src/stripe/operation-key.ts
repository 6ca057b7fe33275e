/**
 * An idempotency key is sent only while Stripe surely knows what it led to. The SDK asks again by itself, and where the machine
 * slept between two of its tries, the second comes hours after the decision it rests on.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { notSent } from "./not-sent.ts";

export interface OperationKey {
  value: string;
  /** Epoch milliseconds; from then on a request under it might act twice. */
  endsAt: number;
}

/** When the key of the call under way ends. */
const keyEnd = new AsyncLocalStorage<number>();

/** Runs a write under a key, all its tries. */
export function underKey<T>(key: OperationKey, write: (options: { idempotencyKey: string }) => Promise<T>): Promise<T> {
  return keyEnd.run(key.endsAt, () => write({ idempotencyKey: key.value }));
}

/** The network, for what is sent under no key or under one that has not ended. */
export function refuseEndedKeys(network: typeof fetch, now: () => number): typeof fetch {
  return async (input, init) => {
    const endsAt = keyEnd.getStore();
    if (endsAt !== undefined && now() >= endsAt) return notSent("its idempotency key has ended");
    return network(input, init);
  };
}
