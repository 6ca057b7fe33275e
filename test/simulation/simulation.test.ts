/**
 * The same schedules each time, so that a change is judged by them alone; `SIMULATION_SEED=random` takes fresh ones, and
 * `npm run simulate` many. `npm run simulate -- --schedules 1 --seed N` plays one again, and shrinks it.
 */
import { expect, test } from "vitest";
import { makeSchedule, play, type Schedule } from "./schedule.ts";

const SCHEDULES = 300;
const given = process.env["SIMULATION_SEED"] ?? "1";
const base = given === "random" ? Math.floor(Math.random() * 2 ** 31) : Number(given);

test(`${SCHEDULES} schedules from seed ${base} end in the truth`, { timeout: 600_000 }, async () => {
  for (let index = 0; index < SCHEDULES; index += 1) {
    const { violations } = await play(makeSchedule(base + index));
    expect(violations, `npm run simulate -- --schedules 1 --seed ${base + index}`).toEqual([]);
  }
});

test("a schedule plays the same way every time", async () => {
  const schedule: Schedule = makeSchedule(20_260_131);
  const first = await play(schedule);
  expect(await play(schedule)).toEqual(first);
  expect(first.steps).toBeGreaterThan(100);
});
