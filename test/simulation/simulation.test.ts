/**
 * Fresh schedules each time; `SIMULATION_SEED=N` plays those from N again, and `npm run simulate -- --schedules 1 --seed N` one of
 * them, and shrinks it.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { makeSchedule, play, type Schedule } from "./schedule.ts";

const SCHEDULES = 300;
const MAX_SEED = 2 ** 31;
const base = Number(process.env["SIMULATION_SEED"] ?? Math.floor(Math.random() * MAX_SEED));
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

test("a schedule that was written down is played again, and one that can't be read is no success", () => {
  const folder = mkdtempSync(join(tmpdir(), "tollkeeper-replay-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const simulate = fileURLToPath(new URL("../../tools/simulate.mjs", import.meta.url));
  const replay = (file: string) =>
    spawnSync(process.execPath, [simulate, "--replay", join(folder, file)], { encoding: "utf8" });
  writeFileSync(join(folder, "schedule.json"), JSON.stringify(makeSchedule(20_260_131)));
  expect(replay("schedule.json")).toMatchObject({ status: 0, stdout: "Nothing was violated.\n" });
  expect(replay("another.json")).toMatchObject({ status: 1, stdout: "" });
});
