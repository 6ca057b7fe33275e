import { expect, test } from "vitest";
import { createSerialize } from "../../src/actions/serialize.ts";

/** Runs that end when they are told to; `began` has their names in the order in which they began. */
function stand() {
  const serialize = createSerialize();
  const began: string[] = [];
  const run = (name: string, intent?: string): Promise<string> =>
    serialize(
      "ada",
      async () => {
        began.push(name);
        await Promise.resolve();
        return name;
      },
      intent,
    );
  return { run, began };
}

test("what waits with one intent shares a run", async () => {
  const { run, began } = stand();
  const answers = await Promise.all([
    run("other"),
    run("one", "premium"),
    run("two", "premium"),
    run("three", "premium"),
  ]);
  expect(answers).toEqual(["other", "one", "one", "one"]);
  expect(began).toEqual(["other", "one"]);
});

test("nobody is answered with what came before somebody else's intent", async () => {
  const { run, began } = stand();
  await Promise.all([run("one", "premium"), run("two", "basic"), run("three", "premium")]);
  expect(began).toEqual(["one", "two", "three"]);
});

test("what comes while a run is under way waits for the next", async () => {
  const { run, began } = stand();
  const first = run("one", "premium");
  while (began.length === 0) await Promise.resolve();
  expect(await run("two", "premium")).toBe("two");
  await first;
});
