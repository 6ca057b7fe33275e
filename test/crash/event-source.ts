/** Provides the events that a test sends: the emulator's real events, and made-up copies of them with new ids. */
import type { SeededRandom } from "../simulation/seeded-random.ts";

export interface SentEvent {
  id: string;
  /** The emulator's event. A made-up event has the content of one of the emulator's events, but a new id. */
  original: { id: string; body: string };
  /** True if the service has already acknowledged the event. */
  isDuplicate: boolean;
}

export interface EventSource {
  /** Adds a real event from the emulator. */
  add(body: string): void;
  /**
   * Returns the next real event, or a made-up event if no real event is waiting. Returns null if the emulator of Stripe has not
   * created any event yet.
   */
  next(): SentEvent | null;
  nextReal(): SentEvent | undefined;
  countReal(): number;
}

/** The number of recent real events on which made-up events are based. */
export const MAX_RECENT = 200;
/** The number of consecutive made-up events that copy one real event. */
const REPEATS = 50;

export function createEventSource(random: SeededRandom): EventSource {
  const real: SentEvent[] = [];
  const recent: SentEvent[] = [];
  let repeated: SentEvent["original"] = { id: "", body: "" };
  let made = 0;
  return {
    add(body) {
      const [, id] = /"id": ?"(evt_\w+)"/.exec(body) ?? [];
      if (id === undefined) throw new Error(`not an event: ${body.slice(0, 100)}`);
      real.push({ id, original: { id, body }, isDuplicate: false });
    },
    nextReal: () => real.shift(),
    countReal: () => real.length,
    next() {
      const event = real.shift();
      if (event) {
        recent.push(event);
        if (recent.length > MAX_RECENT) recent.shift();
        return event;
      }
      if (recent.length === 0) return null;
      if (made % REPEATS === 0) repeated = random.pick(recent).original;
      made += 1;
      return { id: `evt_again_${process.pid}_${made}`, original: repeated, isDuplicate: false };
    },
  };
}
