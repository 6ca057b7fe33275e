/**
 * Bounds the bytes of all webhook bodies that one process holds. If the bytes exceed the limit, the process drops the largest
 * body that has not arrived completely. So a sender of large or slow bodies does not keep out Stripe's events, which are small
 * and arrive at once.
 */

/** Bytes (64 MB) of all webhook bodies that the process holds, from the first byte until the event is stored. */
export const MAX_BODY_BYTES_IN_FLIGHT = 67_108_864;

/** Counts the bytes of one body. */
export interface BodyAccount {
  /** Called once if this body is dropped, so that another body has room. The reader of the body must then stop. */
  onDropped: () => void;
  /** Counts received bytes. Returns false if the body has no room; the reader of the body must then stop. */
  take(bytes: number): boolean;
  /** Marks the body as complete. A complete body is not dropped. */
  complete(): void;
  /** Stops counting the bytes of the body, because the process no longer holds them. */
  close(): void;
}

export interface BodyBudget {
  open(): BodyAccount;
}

interface Held {
  bytes: number;
  account: BodyAccount;
}

export function createBodyBudget(maxBytes: number = MAX_BODY_BYTES_IN_FLIGHT): BodyBudget {
  const arriving = new Set<Held>();
  let total = 0;

  const release = (held: Held): void => {
    arriving.delete(held);
    total -= held.bytes;
    held.bytes = 0;
  };

  /** Drops the largest arriving bodies until all bodies have room, or until no body is arriving. */
  const makeRoom = (): void => {
    if (total <= maxBytes) return;
    let largest: Held | null = null;
    for (const held of arriving) if (!largest || held.bytes > largest.bytes) largest = held;
    if (!largest) return;
    release(largest);
    largest.account.onDropped();
    makeRoom();
  };

  return {
    open() {
      const account: BodyAccount = {
        onDropped: () => {},
        take(bytes) {
          arriving.add(held);
          held.bytes += bytes;
          total += bytes;
          makeRoom();
          return arriving.has(held);
        },
        complete: () => void arriving.delete(held),
        close: () => release(held),
      };
      const held: Held = { bytes: 0, account };
      return account;
    },
  };
}
