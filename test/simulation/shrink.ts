/** Makes a failing schedule as small as possible. */
import { NO_FAULTS } from "./faults.ts";
import { play, type Schedule } from "./schedule.ts";

/**
 * First removes halves of the schedule, and after that smaller groups of actions. Finally removes the faults and the overlaps
 * between actions. Undoes each removal after which the schedule no longer violates the rule that the original schedule
 * violated.
 */
export async function shrink(schedule: Schedule, failure: string): Promise<Schedule> {
  const kind = failure.slice(0, 3);
  const fails = async (candidate: Schedule): Promise<boolean> =>
    (await play(candidate)).violations.some((violation) => violation.startsWith(kind));
  let best = schedule;
  for (let size = Math.ceil(best.actions.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let start = 0; start < best.actions.length;) {
      const actions = [...best.actions.slice(0, start), ...best.actions.slice(start + size)];
      const candidate = { ...best, actions };
      if (await fails(candidate)) best = candidate;
      else start += size;
    }
  }
  for (const index of best.actions.keys()) {
    for (const calmer of [{ faults: NO_FAULTS }, { steps: null }]) {
      const actions = best.actions.map((one, at) => (at === index ? { ...one, ...calmer } : one));
      const candidate = { ...best, actions };
      if (await fails(candidate)) best = candidate;
    }
  }
  return best;
}
