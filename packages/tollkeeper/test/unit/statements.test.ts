import { globSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

test.each(globSync("packages/tollkeeper/src/store/**/*.ts"))(
  "every SQL LIMIT in %s is a literal, because SQLite plans a statement again for each bound value of LIMIT",
  (file) => {
    const limits = readFileSync(file, "utf8").match(/\.limit\(.*|\blimit \$\{.*/g) ?? [];
    expect(limits.filter((limit) => !/atMost\(/.test(limit))).toEqual([]);
  },
);
