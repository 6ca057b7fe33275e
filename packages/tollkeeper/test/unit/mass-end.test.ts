import { expect, test } from "vitest";
import { isMassEnd } from "../../src/domain/mass-end.ts";

test.each([
  [10, 49, true],
  [10, 50, false],
  [11, 50, true],
  [9, 9, false],
  [10, 10, true],
  [200, 1_000, false],
  [201, 1_000, true],
  [0, 0, false],
])("a sweep that would end %i of %i live subscriptions stops: %s", (ending, live, stops) => {
  expect(isMassEnd({ ending, live })).toBe(stops);
});
