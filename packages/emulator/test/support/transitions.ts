/**
 * Stores the status changes of the emulator's objects. Reads each status of an object from the object's stored data and from
 * the object's events.
 */
import type { Sdk } from "./sdk.ts";

/** Contains the object types for which the emulator's audit has a list of allowed status changes. */
const WATCHED = [
  "subscription",
  "invoice",
  "payment_intent",
  "setup_intent",
  "checkout.session",
  "subscription_schedule",
  "dispute",
  "refund",
] as const;

export interface Watch {
  /** Lists the recorded status changes in order, such as "subscription: active -> canceled". */
  seen: string[];
  /** Stores the status changes of objects since the previous call of `look`. */
  look(): void;
}

/** Stores the status changes of an account's objects after each request of the SDK, and on each call of `look`. */
export function watch({ emulator, stripe }: Sdk): Watch {
  const last = new Map<string, string>();
  const reported = new Set<string>();
  const seen: string[] = [];
  const note = (object: string, id: string, status: string | null): void => {
    const before = last.get(id);
    if (status !== null) last.set(id, status);
    if (before !== undefined && before !== status) seen.push(`${object}: ${before} -> ${status}`);
  };
  const look = (): void => {
    const tables = emulator.snapshot().accounts.get("123")?.tables;
    if (!tables) return;
    for (const { id: eventId, data } of tables.event.values()) {
      const { object, id, status } = data.object as { object: string; id?: string; status?: string | null };
      const isNew = !reported.has(eventId);
      reported.add(eventId);
      if (isNew && id !== undefined && WATCHED.some((name) => name === object)) note(object, id, status ?? null);
    }
    for (const name of WATCHED) for (const row of tables[name].values()) note(name, row.id, row.status);
  };
  stripe.on("response", look);
  return { seen, look };
}
