/**
 * Plays different random schedules in each test run. `SIMULATION_SEED=N` repeats the schedules that start at seed N. `npm run
 * simulate -- --schedules 1 --seed N` plays one schedule, and shrinks the schedule if it fails.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { makeSchedule, play, type Schedule } from "./schedule.ts";

const SCHEDULES = 100;
const MAX_SEED = 2 ** 31;
const base = Number(process.env["SIMULATION_SEED"] ?? Math.floor(Math.random() * MAX_SEED));
process.stdout.write(`The simulation plays ${SCHEDULES} schedules from seed ${base}.\n`);

test(`${SCHEDULES} schedules from seed ${base} violate no rule`, { timeout: 1_200_000 }, async () => {
  for (let index = 0; index < SCHEDULES; index += 1) {
    const { violations } = await play(makeSchedule(base + index));
    expect(violations, `npm run simulate -- --schedules 1 --seed ${base + index}`).toEqual([]);
  }
});

test("a schedule of the simulation has the same outcome every time it is played", async () => {
  const schedule: Schedule = makeSchedule(20_260_131);
  const first = await play(schedule);
  expect(await play(schedule)).toEqual(first);
  expect(first.steps).toBeGreaterThan(100);
});

test("npm run simulate plays a saved schedule again, and fails if the file is missing", () => {
  const folder = mkdtempSync(join(tmpdir(), "tollkeeper-replay-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const simulate = fileURLToPath(new URL("../../tools/simulate.mjs", import.meta.url));
  const replay = (file: string) =>
    spawnSync(process.execPath, [simulate, "--replay", join(folder, file)], { encoding: "utf8" });
  writeFileSync(join(folder, "schedule.json"), JSON.stringify(makeSchedule(20_260_131)));
  expect(replay("schedule.json")).toMatchObject({ status: 0, stdout: "No violations.\n" });
  expect(replay("another.json")).toMatchObject({ status: 1, stdout: "" });
});
