/** Checks that both databases can store an event's envelope unchanged. */
import { isStorableText } from "../../domain/storable-text.ts";
import type { Envelope } from "./envelope.ts";

/** The first and the last instant at which Stripe can have created an event. The range also contains the times of tests. */
const EARLIEST = Date.UTC(2000, 0);
const LATEST = Date.UTC(2200, 0);

/** Returns the name of the first field that a database can't store unchanged; null if both databases can store the envelope. */
export function findUnstorableField({ createdAt, ...fields }: Envelope): string | null {
  const unstorable = Object.entries(fields).find(([, value]) => value !== null && !isStorableText(value));
  if (unstorable) return unstorable[0];
  return Number.isInteger(createdAt) && createdAt >= EARLIEST && createdAt < LATEST ? null : "createdAt";
}
