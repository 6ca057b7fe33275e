/** Checks the events in the inbox against the rules I1, I2 and I9. */
import type { Store } from "../../packages/tollkeeper/src/store/store.ts";
import { KEPT_MS, type Violate } from "./audit-types.ts";

export interface EventAuditor {
  /** Call this function when the service has responded to a webhook with 2xx. */
  acknowledged(eventId: string): void;
  isAcknowledged(eventId: string): boolean;
  /** Call this function when the test sends a delivery that every replica must reject or ignore. */
  forged(eventId: string): void;
  /** Call this function when the inbox has marked an event as processed. */
  completed(eventId: string): void;
  check(store: Store): Promise<void>;
}

export function createEventAuditor(now: () => number, violate: Violate): EventAuditor {
  /** Maps each event to the time of its first acknowledgement. */
  const acknowledgedAt = new Map<string, number>();
  const forged = new Set<string>();
  /** Maps each event to the time at which the service marked it as processed. */
  const completedAt = new Map<string, number>();
  return {
    acknowledged(eventId) {
      if (!acknowledgedAt.has(eventId)) acknowledgedAt.set(eventId, now());
    },
    isAcknowledged: (eventId) => acknowledgedAt.has(eventId),
    forged: (eventId) => void forged.add(eventId),
    completed(eventId) {
      const before = completedAt.get(eventId);
      // An event that was processed long ago may have been deleted from the inbox and then delivered again.
      if (before !== undefined && now() - before < KEPT_MS) violate(`I2: ${eventId} was processed twice`);
      completedAt.set(eventId, now());
    },
    async check(store) {
      const kept = [...acknowledgedAt].filter(([, at]) => now() - at < KEPT_MS).map(([id]) => id);
      for (const id of await store.inbox.filterUnstored(kept))
        violate(`I1: ${id} was acknowledged and is not in the inbox`);
      const unstored = new Set(await store.inbox.filterUnstored([...forged]));
      for (const id of forged) if (!unstored.has(id)) violate(`I9: ${id} is forged and is in the inbox`);
    },
  };
}
