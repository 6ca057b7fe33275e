/**
 * Replays recordings of Stripe's API against the emulator. The variable STRIPE_RECORDINGS names a folder with recordings. The
 * test is skipped without it.
 */
import { describe, expect, test } from "vitest";
import { type Cause, explain } from "./explanations.ts";
import { objectsIn, readRecordings } from "./recording.ts";
import { replay } from "./replay.ts";

const folder = process.env["STRIPE_RECORDINGS"];
const scenarios = folder === undefined ? new Map() : readRecordings(folder);
const catalog = [...scenarios.values()].flat().flatMap(({ body }) => objectsIn(body));

describe.skipIf(folder === undefined)("recordings of Stripe", () => {
  test.each([...scenarios])(
    "the emulator responds as recorded in %s, except explained differences",
    async (_name, all) => {
      const explained = (await replay(all, catalog)).flatMap((replayed) =>
        explain(replayed).map((found) => ({
          ...found,
          request: `${replayed.recording.method} ${replayed.recording.path}`,
        })),
      );
      expect(explained.filter(({ cause }) => cause === null)).toEqual([]);
    },
  );

  test("every cause of a difference occurs, and at least 40 responses have no difference", async () => {
    const causes = new Set<Cause | null>();
    let same = 0;
    for (const all of scenarios.values())
      for (const replayed of await replay(all, catalog)) {
        const found = explain(replayed);
        same += found.length === 0 ? 1 : 0;
        for (const { cause } of found) causes.add(cause);
      }
    expect(causes).toEqual(new Set(["account", "scope", "version"]));
    expect(same).toBeGreaterThanOrEqual(40);
  });
});
