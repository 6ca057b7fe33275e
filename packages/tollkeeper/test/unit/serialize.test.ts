import { expect, test } from "vitest";
import { createSerialize } from "../../src/actions/serialize.ts";

/** Returns a function that makes serialized calls with one key. `began` contains the names of the started runs in order. */
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

test("calls that wait at the same time and have the same intent share one run", async () => {
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

test("a call does not share an earlier call's run if a call with another intent came between these two calls", async () => {
  const { run, began } = stand();
  await Promise.all([run("one", "premium"), run("two", "basic"), run("three", "premium")]);
  expect(began).toEqual(["one", "two", "three"]);
});

test("a call that arrives during a run waits for the next run", async () => {
  const { run, began } = stand();
  const first = run("one", "premium");
  while (began.length === 0) await Promise.resolve();
  expect(await run("two", "premium")).toBe("two");
  await first;
});
