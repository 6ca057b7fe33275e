import { expect, test } from "vitest";
import { createSerialize } from "../../src/actions/serialize.ts";

/**
 * Returns a function that makes serialized calls with the same key. `began` contains the names of the executed calls in the
 * order of their execution.
 */
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

test("serialized calls that wait at the same time and have the same intent share one execution", async () => {
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

test("two serialized calls do not share an execution if a call with another intent came between these two calls", async () => {
  const { run, began } = stand();
  await Promise.all([run("one", "premium"), run("two", "basic"), run("three", "premium")]);
  expect(began).toEqual(["one", "two", "three"]);
});

test("a serialized call that arrives during the execution of another call is executed afterwards", async () => {
  const { run, began } = stand();
  const first = run("one", "premium");
  while (began.length === 0) await Promise.resolve();
  expect(await run("two", "premium")).toBe("two");
  await first;
});
