/**
 * An idempotency key is sent only while Stripe surely knows what it led to. The SDK asks again by itself, and where the machine
 * slept between two of its tries, the second comes hours after the decision it rests on.
 */
import { notSent } from "./unsent-response.ts";

export interface OperationKey {
  value: string;
  /** Epoch milliseconds; from then on nothing is sent under it. */
  endsAt: number;
}

/** Runs a write under a key, all its tries. */
export type UnderKey = <T>(key: OperationKey, write: (options: { idempotencyKey: string }) => Promise<T>) => Promise<T>;

/** `fetch` is the network, for what is sent under no key or under one that has not ended. */
export function watchKeys(network: typeof fetch, now: () => number): { underKey: UnderKey; fetch: typeof fetch } {
  /** The keys of the writes under way: several may share one. */
  const underWay = new Map<string, { endsAt: number; writes: number }>();
  return {
    async underKey({ value, endsAt }, write) {
      const key = underWay.get(value) ?? { endsAt, writes: 0 };
      underWay.set(value, key);
      key.writes += 1;
      try {
        return await write({ idempotencyKey: value });
      } finally {
        key.writes -= 1;
        if (key.writes === 0) underWay.delete(value);
      }
    },
    async fetch(input, init) {
      const key = underWay.get(new Headers(init?.headers).get("idempotency-key") ?? "");
      if (key && now() >= key.endsAt) return notSent("its idempotency key has ended");
      return network(input, init);
    },
  };
}
