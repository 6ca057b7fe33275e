/**
 * Plays schedules one after the other and tells its parent of each: `node test/simulation/play-range.ts FIRST STEP COUNT`, or
 * `--replay FILE` for one that was written down. A child of `npm run simulate`.
 */
import { readFileSync } from "node:fs";
import { makeSchedule, play, shrink, type Schedule } from "./schedule.ts";

const [first = "", second = "1", third = "1"] = process.argv.slice(2);

function tell(message: object): void {
  process.send?.(message);
  if (!process.send) console.log(JSON.stringify(message));
}

async function playOne(schedule: Schedule): Promise<boolean> {
  const { violations, steps } = await play(schedule);
  tell({ kind: "played", seed: schedule.seed, steps, violations });
  return violations.length === 0;
}

// The SDK notes with each request from where it is made: of thousands of schedules nobody reads that.
if (first !== "--replay") Error.stackTraceLimit = 0;

if (first === "--replay") await playOne(JSON.parse(readFileSync(second, "utf8")) as Schedule);
else
  for (let index = 0; index < Number(third); index += 1) {
    const schedule = makeSchedule(Number(first) + index * Number(second));
    if (await playOne(schedule)) continue;
    const [failure = ""] = (await play(schedule)).violations;
    const shrunk = await shrink(schedule, failure);
    tell({ kind: "shrunk", seed: schedule.seed, schedule: shrunk, violations: (await play(shrunk)).violations });
    break;
  }
// Timers of requests that were never answered would keep it alive.
process.exit(0);
