/**
 * The same schedules each time, so that a change that breaks one is seen to have done it; `SIMULATION_SEED=random` plays fresh
 * ones and `SIMULATION_SEED=N` those from N. `npm run simulate -- --schedules 1 --seed N` plays one of them, and shrinks it.
 */
import { expect, test } from "vitest";
import { makeSchedule, play, type Schedule } from "./schedule.ts";

const SCHEDULES = 300;
const MAX_SEED = 2 ** 31;
const given = process.env["SIMULATION_SEED"] ?? "1";
const base = given === "random" ? Math.floor(Math.random() * MAX_SEED) : Number(given);
process.stdout.write(`The simulation plays ${SCHEDULES} schedules from seed ${base}.\n`);

test(`${SCHEDULES} schedules from seed ${base} end in the truth`, { timeout: 1_200_000 }, async () => {
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
