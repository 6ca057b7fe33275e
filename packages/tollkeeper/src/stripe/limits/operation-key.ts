/**
 * Ensures that an idempotency key is sent only while Stripe still knows it. Stripe's SDK repeats failed requests by itself. If
 * the machine sleeps between two attempts of a request, the second attempt could be sent hours later, after Stripe has deleted
 * the key.
 */
import { unsentResponse } from "./unsent-response.ts";

export interface OperationKey {
  value: string;
  /**
   * Instant at which the idempotency key expires, in epoch milliseconds. No request is sent with an expired idempotency key.
   */
  endsAt: number;
}

/** Runs a write to Stripe. All attempts of the SDK use the same idempotency key. */
export type WithKey = <T>(key: OperationKey, write: (options: { idempotencyKey: string }) => Promise<T>) => Promise<T>;

/**
 * Creates the function `withKey` and the `fetch` function for the SDK. The created `fetch` function sends only requests without
 * an idempotency key and requests whose key has not expired.
 */
export function createKeyGuard(network: typeof fetch, now: () => number): { withKey: WithKey; fetch: typeof fetch } {
  /** The idempotency keys of the writes that are running. Several writes to Stripe may share one idempotency key. */
  const active = new Map<string, { endsAt: number; writes: number }>();
  return {
    async withKey({ value, endsAt }, write) {
      const key = active.get(value) ?? { endsAt, writes: 0 };
      active.set(value, key);
      key.writes += 1;
      try {
        return await write({ idempotencyKey: value });
      } finally {
        key.writes -= 1;
        if (key.writes === 0) active.delete(value);
      }
    },
    async fetch(input, init) {
      const key = active.get(new Headers(init?.headers).get("idempotency-key") ?? "");
      if (key && now() >= key.endsAt) return unsentResponse("its idempotency key has ended");
      return network(input, init);
    },
  };
}
