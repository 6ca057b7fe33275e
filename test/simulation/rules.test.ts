import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { RULES } from "./rules.ts";

test.each(RULES)('the source contains the rule "$rule" exactly once', ({ file, text, without }) => {
  const source = readFileSync(new URL(`../../${file}`, import.meta.url), "utf8");
  expect(source.split(text)).toHaveLength(2);
  expect(without).not.toBe(text);
});
