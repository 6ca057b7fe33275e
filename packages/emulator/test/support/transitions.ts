/** Which statuses objects go through, as their rows and their events tell. */
import type { Sdk } from "./sdk.ts";

/** The tables whose rows have a status that goes by a table of transitions. */
const WATCHED = [
  "subscription",
  "invoice",
  "payment_intent",
  "setup_intent",
  "checkout.session",
  "subscription_schedule",
  "dispute",
] as const;

export interface Watch {
  /** "subscription: active -> canceled", in the order in which they happened. */
  seen: string[];
  /** Looks again, after time has passed. */
  look(): void;
}

/** Watches an account from now on: after each of the SDK's requests, and whenever it is told to look. */
export function watch({ emulator, stripe }: Sdk): Watch {
  const last = new Map<string, string>();
  const told = new Set<string>();
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
      const isNew = !told.has(eventId);
      told.add(eventId);
      if (isNew && id !== undefined && WATCHED.some((name) => name === object)) note(object, id, status ?? null);
    }
    for (const name of WATCHED) for (const row of tables[name].values()) note(name, row.id, row.status);
  };
  stripe.on("response", look);
  return { seen, look };
}
