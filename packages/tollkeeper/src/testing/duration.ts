/** Adds calendar durations to instants, in UTC. */

/** A span of time. The parts are added, the longest first. Each part is a whole number of at least 0. */
export interface Duration {
  years?: number;
  months?: number;
  weeks?: number;
  days?: number;
  hours?: number;
  minutes?: number;
  seconds?: number;
}

const MS: Record<string, number> = {
  weeks: 604_800_000,
  days: 86_400_000,
  hours: 3_600_000,
  minutes: 60_000,
  seconds: 1_000,
};
const PARTS = ["years", "months", ...Object.keys(MS)];

/**
 * Returns the instant that lies a duration after another one. If the month is too short, the result is in its last day: one
 * month after January 31 is February 28.
 */
export function addDuration(instant: number, duration: Duration): number {
  const { years = 0, months = 0 } = duration;
  const later = addMonths(instant, years * 12 + months);
  const rest = Object.entries(MS).map(([part, ms]) => (duration[part as keyof Duration] ?? 0) * ms);
  return rest.reduce((total, ms) => total + ms, later);
}

/** Throws `TypeError` if the duration has no meaning. */
export function checkDuration(duration: Duration): void {
  if (typeof duration !== "object" || duration === null)
    throw new TypeError(`${String(duration)} is no duration. Use an object such as { days: 8 }.`);
  for (const [part, count] of Object.entries(duration)) {
    if (!PARTS.includes(part)) throw new TypeError(`"${part}" is no unit of time. Use ${PARTS.join(", ")}.`);
    if (count !== undefined && !(Number.isSafeInteger(count) && (count as number) >= 0))
      throw new TypeError(`${part} is ${String(count)}. Use a whole number of at least 0.`);
  }
}

function addMonths(instant: number, count: number): number {
  const date = new Date(instant);
  const day = date.getUTCDate();
  date.setUTCDate(1);
  date.setUTCMonth(date.getUTCMonth() + count);
  const lastDay = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
  date.setUTCDate(Math.min(day, lastDay));
  return date.getTime();
}
