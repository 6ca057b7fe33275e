/**
 * Plays schedules one after the other and reports each result to the parent process: `node test/simulation/play-schedules.ts
 * FIRST STEP COUNT`. The option `--replay FILE` plays the schedule that is saved in this file. `npm run simulate` starts this
 * program as a child process.
 */
import { readFileSync } from "node:fs";
import { makeSchedule, play, type Schedule } from "./schedule.ts";
import { shrink } from "./shrink.ts";

const [first = "", second = "1", third = "1"] = process.argv.slice(2);

function report(message: object): void {
  process.send?.(message);
  if (!process.send) console.log(JSON.stringify(message));
}

async function playOne(schedule: Schedule): Promise<boolean> {
  const { violations, steps } = await play(schedule);
  report({ kind: "played", seed: schedule.seed, steps, violations });
  return violations.length === 0;
}

// Stripe's SDK records a stack trace for each request. The schedules do not need the SDK's stack traces, which cost time.
if (first !== "--replay") Error.stackTraceLimit = 0;

if (first === "--replay") await playOne(JSON.parse(readFileSync(second, "utf8")) as Schedule);
else
  for (let index = 0; index < Number(third); index += 1) {
    const schedule = makeSchedule(Number(first) + index * Number(second));
    if (await playOne(schedule)) continue;
    const [failure = ""] = (await play(schedule)).violations;
    const shrunk = await shrink(schedule, failure);
    report({ kind: "shrunk", seed: schedule.seed, schedule: shrunk, violations: (await play(shrunk)).violations });
    break;
  }
// The program exits explicitly, because the timers of unanswered requests would keep the process alive.
process.exit(0);
